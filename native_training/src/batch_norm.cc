#include "batch_norm.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace {

using Floats = std::vector<float>;

// Rows of values that stay in the first cache while their statistics are computed.
constexpr int64_t kBlockRows = 32;
// Few channels are computed as more: values of neighbouring rows, which lie beside each other, as channels of one row.
constexpr int64_t kLanes = 64;

int64_t rows_in_one(int64_t rows, int64_t channels) {
  int64_t count = std::max<int64_t>(kLanes / channels, 1);
  while (rows % count != 0) --count;
  return count;
}

// Rows [first, last) of part `index` of `count`.
std::pair<int64_t, int64_t> rows_of(int64_t rows, int index, int count) {
  return {rows * index / count, rows * (index + 1) / count};
}

Floats repeated(const float* values, int64_t channels, int64_t times) {
  Floats all;
  all.reserve(channels * times);
  for (int64_t time = 0; time < times; ++time) all.insert(all.end(), values, values + channels);
  return all;
}

// Count, mean and sum of squared differences of each lane.
struct Statistics {
  explicit Statistics(int64_t lanes) : mean(lanes), squares(lanes) {}

  // Adds other values (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
  // variances", 1979).
  void add(int64_t other_count, const double* other_mean, const double* other_squares) {
    const double total = static_cast<double>(count + other_count);
    const double share = other_count / total, weight = count * share;
    for (size_t lane = 0; lane < mean.size(); ++lane) {
      const double difference = other_mean[lane] - mean[lane];
      mean[lane] += difference * share;
      squares[lane] += other_squares[lane] + difference * difference * weight;
    }
    count += other_count;
  }

  int64_t count = 0;
  std::vector<double> mean, squares;
};

void add_rows(const float* __restrict values, int64_t rows, int64_t lanes, float* __restrict sums) {
  for (int64_t row = 0; row < rows; ++row, values += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += values[lane];
  }
}

void add_squares(const float* __restrict values, const float* __restrict centres, int64_t rows, int64_t lanes,
                 float* __restrict sums) {
  for (int64_t row = 0; row < rows; ++row, values += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float difference = values[lane] - centres[lane];
      sums[lane] += difference * difference;
    }
  }
}

Statistics statistics_of(const float* values, int64_t rows, int64_t lanes) {
  Statistics all(lanes);
  Floats sums(lanes), centres(lanes);
  std::vector<double> mean(lanes), squares(lanes);
  for (int64_t start = 0; start < rows; start += kBlockRows) {
    const int64_t count = std::min(kBlockRows, rows - start);
    std::fill(sums.begin(), sums.end(), 0.f);
    add_rows(values + start * lanes, count, lanes, sums.data());
    for (int64_t lane = 0; lane < lanes; ++lane) mean[lane] = centres[lane] = sums[lane] / count;
    std::fill(sums.begin(), sums.end(), 0.f);
    add_squares(values + start * lanes, centres.data(), count, lanes, sums.data());
    std::copy(sums.begin(), sums.end(), squares.begin());
    all.add(count, mean.data(), squares.data());
  }
  return all;
}

// Statistics of channels, of which `lanes` has several lanes each.
Statistics folded(const std::vector<Statistics>& lanes, int64_t channels) {
  Statistics all(channels);
  for (const Statistics& part : lanes) {
    if (part.count == 0) continue;
    for (size_t first = 0; first < part.mean.size(); first += channels) {
      all.add(part.count, part.mean.data() + first, part.squares.data() + first);
    }
  }
  return all;
}

// What all values of a channel have in common, once for each lane.
struct Lanes {
  Lanes(const float* mean, const float* scale, const float* beta, int64_t channels, int64_t times)
      : mean(repeated(mean, channels, times)),
        scale(repeated(scale, channels, times)),
        beta(repeated(beta, channels, times)) {}

  Floats mean, scale, beta;
};

void scale_and_activate(const float* __restrict in, const float* __restrict mean, const float* __restrict scale,
                        const float* __restrict beta, float slope, int64_t rows, int64_t lanes, float* __restrict out) {
  for (int64_t row = 0; row < rows; ++row, in += lanes, out += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float normalised = (in[lane] - mean[lane]) * scale[lane] + beta[lane];
      out[lane] = normalised * (normalised > 0 ? 1.f : slope);
    }
  }
}

// Adds the gradients before the activation, and their products with the differences of the input to its mean.
void add_gradients(const float* __restrict gradient, const float* __restrict in, const float* __restrict mean,
                   const float* __restrict scale, const float* __restrict beta, float slope, int64_t rows,
                   int64_t lanes, float* __restrict sums, float* __restrict products) {
  for (int64_t row = 0; row < rows; ++row, gradient += lanes, in += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float difference = in[lane] - mean[lane];
      const float inner = gradient[lane] * (difference * scale[lane] + beta[lane] > 0 ? 1.f : slope);
      sums[lane] += inner;
      products[lane] += inner * difference;
    }
  }
}

// scale * (gradient before the activation - its mean - difference of the input to its mean * factor)
void write_gradients(const float* __restrict gradient, const float* __restrict in, const float* __restrict mean,
                     const float* __restrict scale, const float* __restrict beta, const float* __restrict mean_gradient,
                     const float* __restrict factor, float slope, int64_t rows, int64_t lanes, float* __restrict out) {
  for (int64_t row = 0; row < rows; ++row, gradient += lanes, in += lanes, out += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float difference = in[lane] - mean[lane];
      const float inner = gradient[lane] * (difference * scale[lane] + beta[lane] > 0 ? 1.f : slope);
      out[lane] = scale[lane] * (inner - mean_gradient[lane] - difference * factor[lane]);
    }
  }
}

}  // namespace

void normalise_and_activate(const NormForward& norm, const NormOptions& options, ThreadPool& pool) {
  const int64_t channels = norm.channels, times = rows_in_one(norm.rows, channels);
  const int64_t rows = norm.rows / times, lanes = channels * times;
  std::vector<Statistics> parts(pool.get_num_threads(), Statistics(0));
  pool.parallel_for(static_cast<int>(parts.size()), [&](int index, int count) {
    const auto [first, last] = rows_of(rows, index, count);
    parts[index] = statistics_of(norm.in + first * lanes, last - first, lanes);
  });
  const Statistics all = folded(parts, channels);
  Floats scale(channels);
  for (int64_t channel = 0; channel < channels; ++channel) {
    const double variance = all.squares[channel] / norm.rows;
    const double unbiased = all.squares[channel] / std::max<int64_t>(norm.rows - 1, 1);
    norm.mean[channel] = static_cast<float>(all.mean[channel]);
    norm.inverse_deviation[channel] = static_cast<float>(1 / std::sqrt(variance + options.epsilon));
    scale[channel] = norm.gamma[channel] * norm.inverse_deviation[channel];
    norm.new_mean[channel] = norm.old_mean[channel] + options.new_share * (norm.mean[channel] - norm.old_mean[channel]);
    norm.new_variance[channel] =
        norm.old_variance[channel] + options.new_share * (static_cast<float>(unbiased) - norm.old_variance[channel]);
  }
  const Lanes of(norm.mean, scale.data(), norm.beta, channels, times);
  pool.parallel_for(static_cast<int>(parts.size()), [&](int index, int count) {
    const auto [first, last] = rows_of(rows, index, count);
    scale_and_activate(norm.in + first * lanes, of.mean.data(), of.scale.data(), of.beta.data(), options.slope,
                       last - first, lanes, norm.out + first * lanes);
  });
}

void normalise_and_activate_gradient(const NormBackward& norm, const NormOptions& options, ThreadPool& pool) {
  const int64_t channels = norm.channels, times = rows_in_one(norm.rows, channels);
  const int64_t rows = norm.rows / times, lanes = channels * times;
  Floats scale(channels);
  for (int64_t channel = 0; channel < channels; ++channel) {
    scale[channel] = norm.gamma[channel] * norm.inverse_deviation[channel];
  }
  const Lanes of(norm.mean, scale.data(), norm.beta, channels, times);
  const int parts = pool.get_num_threads();
  std::vector<std::vector<double>> sums(parts);
  pool.parallel_for(parts, [&](int index, int count) {
    const auto [first, last] = rows_of(rows, index, count);
    std::vector<double> all(2 * lanes);
    Floats block(2 * lanes);
    for (int64_t start = first; start < last; start += kBlockRows) {
      std::fill(block.begin(), block.end(), 0.f);
      add_gradients(norm.out_gradient + start * lanes, norm.in + start * lanes, of.mean.data(), of.scale.data(),
                    of.beta.data(), options.slope, std::min(kBlockRows, last - start), lanes, block.data(),
                    block.data() + lanes);
      for (int64_t lane = 0; lane < 2 * lanes; ++lane) all[lane] += block[lane];
    }
    sums[index] = std::move(all);
  });
  Floats mean_gradient(channels), factor(channels);
  for (int64_t channel = 0; channel < channels; ++channel) {
    double gradients = 0, products = 0;
    for (const std::vector<double>& part : sums) {
      for (int64_t lane = channel; lane < lanes; lane += channels) {
        gradients += part[lane];
        products += part[lanes + lane];
      }
    }
    const double inverse_deviation = norm.inverse_deviation[channel];
    norm.beta_gradient[channel] = static_cast<float>(gradients);
    norm.gamma_gradient[channel] = static_cast<float>(products * inverse_deviation);
    mean_gradient[channel] = static_cast<float>(gradients / norm.rows);
    factor[channel] = static_cast<float>(inverse_deviation * inverse_deviation * products / norm.rows);
  }
  const Floats means = repeated(mean_gradient.data(), channels, times);
  const Floats factors = repeated(factor.data(), channels, times);
  pool.parallel_for(parts, [&](int index, int count) {
    const auto [first, last] = rows_of(rows, index, count);
    write_gradients(norm.out_gradient + first * lanes, norm.in + first * lanes, of.mean.data(), of.scale.data(),
                    of.beta.data(), means.data(), factors.data(), options.slope, last - first, lanes,
                    norm.in_gradient + first * lanes);
  });
}
