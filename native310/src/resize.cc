#include "resize.h"

#include <algorithm>
#include <cmath>

namespace native310 {
namespace {

std::uint8_t ToByte(float value) { return static_cast<std::uint8_t>(std::clamp(std::nearbyintf(value), 0.0F, 255.0F)); }

// --- area average by whole factors ---

Image ShrinkByWholeFactors(const Image& image, int width, int height) {
  const int factor_x = image.width / width;
  const int factor_y = image.height / height;
  Image shrunk(width, height);
  const float scale = 1.0F / static_cast<float>(factor_x * factor_y);
  for (int y = 0; y < height; ++y) {
    std::uint8_t* target = shrunk.Row(y);
    for (int x = 0; x < width; ++x) {
      for (int channel = 0; channel < kImageChannels; ++channel) {
        int sum = 0;
        for (int row = 0; row < factor_y; ++row) {
          const std::uint8_t* source = image.Row(y * factor_y + row) + x * factor_x * kImageChannels + channel;
          for (int column = 0; column < factor_x; ++column) sum += source[column * kImageChannels];
        }
        // OpenCV rounds halves up in the mean of 2 x 2 pixels, and to even in other means.
        target[x * kImageChannels + channel] = factor_x == 2 && factor_y == 2
                                                   ? static_cast<std::uint8_t>((sum + 2) >> 2)
                                                   : ToByte(static_cast<float>(sum) * scale);
      }
    }
  }
  return shrunk;
}

// --- area average by any factors ---

// The weight of a source pixel in a target pixel.
struct Share {
  int target;
  int source;
  float weight;
};

// The source pixels that each target pixel covers, in whole or in part, in order; parts below 1/1000 of a pixel are
// ignored.
std::vector<Share> AreaShares(int source_size, int target_size) {
  constexpr double kMinPart = 1e-3;
  // Computed through the inverse, as in OpenCV, to be equal to the last bit.
  const double scale = 1.0 / (static_cast<double>(target_size) / source_size);
  std::vector<Share> shares;
  for (int target = 0; target < target_size; ++target) {
    const double begin = target * scale;
    const double end = begin + scale;
    const double covered = std::min(scale, source_size - begin);
    const int last_whole = std::min(static_cast<int>(std::floor(end)), source_size - 1);
    const int first_whole = std::min(static_cast<int>(std::ceil(begin)), last_whole);
    if (first_whole - begin > kMinPart) {
      shares.push_back({target, first_whole - 1, static_cast<float>((first_whole - begin) / covered)});
    }
    for (int source = first_whole; source < last_whole; ++source) {
      shares.push_back({target, source, static_cast<float>(1.0 / covered)});
    }
    if (end - last_whole > kMinPart) {
      const double part = std::min({end - last_whole, 1.0, covered});
      shares.push_back({target, last_whole, static_cast<float>(part / covered)});
    }
  }
  return shares;
}

Image ShrinkByArea(const Image& image, int width, int height) {
  const std::vector<Share> columns = AreaShares(image.width, width);
  const std::vector<Share> rows = AreaShares(image.height, height);
  Image shrunk(width, height);
  std::vector<float> line(shrunk.RowBytes());
  std::vector<float> sums(shrunk.RowBytes());
  for (std::size_t index = 0; index < rows.size(); ++index) {
    const Share& row = rows[index];
    const std::uint8_t* source = image.Row(row.source);
    std::fill(line.begin(), line.end(), 0.0F);
    for (const Share& column : columns) {
      const std::uint8_t* from = source + column.source * kImageChannels;
      float* to = line.data() + column.target * kImageChannels;
      for (int channel = 0; channel < kImageChannels; ++channel) {
        to[channel] += static_cast<float>(from[channel]) * column.weight;
      }
    }
    const bool is_first = index == 0 || rows[index - 1].target != row.target;
    const bool is_last = index + 1 == rows.size() || rows[index + 1].target != row.target;
    for (std::size_t position = 0; position < sums.size(); ++position) {
      sums[position] = is_first ? row.weight * line[position] : sums[position] + row.weight * line[position];
    }
    if (is_last) std::transform(sums.begin(), sums.end(), shrunk.Row(row.target), ToByte);
  }
  return shrunk;
}

// --- bilinear, in fixed point ---

constexpr int kWeightOne = 1 << 11;

// The two source pixels of a target pixel and their weights, whose sum is about kWeightOne.
struct Tap {
  int first;
  int second;
  int first_weight;
  int second_weight;
};

std::vector<Tap> LinearTaps(int source_size, int target_size, bool clamps_weight) {
  const double scale = 1.0 / (static_cast<double>(target_size) / source_size);
  std::vector<Tap> taps;
  for (int target = 0; target < target_size; ++target) {
    const auto position = static_cast<float>((target + 0.5) * scale - 0.5);
    const int first = static_cast<int>(std::floor(position));
    float share = position - static_cast<float>(first);
    if (clamps_weight && (first < 0 || first >= source_size - 1)) share = 0;
    const auto weight = [](float part) { return static_cast<int>(std::nearbyintf(part * kWeightOne)); };
    taps.push_back({std::clamp(first, 0, source_size - 1), std::clamp(first + 1, 0, source_size - 1),
                    weight(1.0F - share), weight(share)});
  }
  return taps;
}

Image ResizeLinear(const Image& image, int width, int height) {
  const std::vector<Tap> columns = LinearTaps(image.width, width, true);
  // OpenCV repeats the border row instead of giving one row all the weight, which rounds differently.
  const std::vector<Tap> rows = LinearTaps(image.height, height, false);
  Image resized(width, height);
  for (int y = 0; y < height; ++y) {
    const Tap& row = rows[static_cast<std::size_t>(y)];
    const std::uint8_t* first_row = image.Row(row.first);
    const std::uint8_t* second_row = image.Row(row.second);
    std::uint8_t* target = resized.Row(y);
    for (const Tap& column : columns) {
      for (int channel = 0; channel < kImageChannels; ++channel) {
        const auto interpolate = [&](const std::uint8_t* line, int weight) {
          const int mean = line[column.first * kImageChannels + channel] * column.first_weight +
                           line[column.second * kImageChannels + channel] * column.second_weight;
          return (weight * (mean >> 4)) >> 16;
        };
        const int sum = interpolate(first_row, row.first_weight) + interpolate(second_row, row.second_weight);
        *target++ = static_cast<std::uint8_t>(std::clamp((sum + 2) >> 2, 0, 255));
      }
    }
  }
  return resized;
}

}  // namespace

Image Resize(const Image& image, int width, int height) {
  if (width == image.width && height == image.height) return image;
  if (width > image.width || height > image.height) return ResizeLinear(image, width, height);
  const bool is_whole = image.width % width == 0 && image.height % height == 0;
  return is_whole ? ShrinkByWholeFactors(image, width, height) : ShrinkByArea(image, width, height);
}

}  // namespace native310
