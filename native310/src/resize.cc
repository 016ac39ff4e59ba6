#include "resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace native310 {
namespace {

// The pixels of an axis that each pixel of the target is made of: `count` neighbours, the first of which is
// first[target], and their weights [target][count]. Neighbours of weight 0 may be outside of the image.
struct Taps {
  int count = 0;
  std::vector<int> first;
  std::vector<float> weights;
};

// The factor of shrinking, computed through its inverse, as in OpenCV, to be equal to the last bit.
double ScaleOf(int source_size, int target_size) { return 1.0 / (static_cast<double>(target_size) / source_size); }

// --- area average by whole factors ---

// OpenCV does not see the factors 49, 98, 103, 107, 161 and so on as whole, because their inverse is rounded.
bool IsWhole(double scale) { return std::abs(scale - std::nearbyint(scale)) < std::numeric_limits<double>::epsilon(); }

Taps WholeTaps(int source_size, int target_size) {
  Taps taps;
  taps.count = source_size / target_size;
  for (int target = 0; target < target_size; ++target) taps.first.push_back(target * taps.count);
  taps.weights.assign(static_cast<std::size_t>(source_size), 1.0F);
  return taps;
}

// --- area average by any factors ---

// The source pixels that each target pixel covers, in whole or in part; parts below 1/1000 of a pixel are ignored.
Taps AreaTaps(int source_size, int target_size) {
  constexpr double kMinPart = 1e-3;
  const double scale = ScaleOf(source_size, target_size);
  Taps taps;
  taps.count = static_cast<int>(std::ceil(scale)) + 1;
  taps.weights.resize(static_cast<std::size_t>(target_size) * static_cast<std::size_t>(taps.count));
  float* weights = taps.weights.data();
  for (int target = 0; target < target_size; ++target, weights += taps.count) {
    const double begin = target * scale;
    const double end = begin + scale;
    const double covered = std::min(scale, source_size - begin);
    const int last_whole = std::min(static_cast<int>(std::floor(end)), source_size - 1);
    const int first_whole = std::min(static_cast<int>(std::ceil(begin)), last_whole);
    float* weight = weights;
    if (first_whole - begin > kMinPart) *weight++ = static_cast<float>((first_whole - begin) / covered);
    taps.first.push_back(first_whole - static_cast<int>(weight - weights));
    for (int source = first_whole; source < last_whole; ++source) *weight++ = static_cast<float>(1.0 / covered);
    if (end - last_whole > kMinPart) {
      *weight = static_cast<float>(std::min({end - last_whole, 1.0, covered}) / covered);
    }
  }
  return taps;
}

// --- bilinear, in fixed point ---

constexpr int kWeightOne = 1 << 11;

// Two source pixels with whole weights, whose sum is about kWeightOne.
Taps LinearTaps(int source_size, int target_size, bool clamps_weight) {
  const double scale = ScaleOf(source_size, target_size);
  Taps taps;
  taps.count = 2;
  for (int target = 0; target < target_size; ++target) {
    const auto position = static_cast<float>((target + 0.5) * scale - 0.5);
    int first = static_cast<int>(std::floor(position));
    float share = position - static_cast<float>(first);
    if (clamps_weight && (first < 0 || first >= source_size - 1)) {
      first = std::clamp(first, 0, source_size - 1);
      share = 0;
    }
    taps.first.push_back(first);
    taps.weights.push_back(std::nearbyintf((1.0F - share) * kWeightOne));
    taps.weights.push_back(std::nearbyintf(share * kWeightOne));
  }
  return taps;
}

// --- rows, the inner loops ---

// Four numbers that one instruction multiplies or adds, in the notation of GCC and Clang for all processors.
using Lanes = float __attribute__((vector_size(16)));
constexpr std::size_t kLanes = sizeof(Lanes) / sizeof(float);

// Rows of an image, each interpolated to the width of the target once: consecutive rows of the target share some.
class Lines {
 public:
  Lines(const Image& image, Taps columns) : image_(image), columns_(std::move(columns)) {
    // Pixels of weight 0 and lanes that are not used lie beyond the end.
    row_.resize(image.RowBytes() + static_cast<std::size_t>(columns_.count) * kImageChannels + kLanes);
    for (std::vector<float>& line : lines_) line.resize(columns_.first.size() * kImageChannels + kLanes);
  }

  // Values stay valid until the second next row is asked for.
  const float* operator[](int row) {
    const std::size_t slot = static_cast<std::size_t>(row) % lines_.size();
    if (std::exchange(rows_[slot], row) != row) Interpolate(image_.Row(row), lines_[slot].data());
    return lines_[slot].data();
  }

 private:
  void Interpolate(const std::uint8_t* source, float* line) {
    std::copy_n(source, image_.RowBytes(), row_.begin());
    const float* weight = columns_.weights.data();
    for (const int first : columns_.first) {
      const float* pixel = row_.data() + first * kImageChannels;
      // A pixel takes three lanes; the next one overwrites the fourth.
      Lanes sum = {};
      for (int tap = 0; tap < columns_.count; ++tap, ++weight, pixel += kImageChannels) {
        Lanes values;
        std::memcpy(&values, pixel, sizeof values);
        sum += values * *weight;
      }
      std::memcpy(line, &sum, sizeof sum);
      line += kImageChannels;
    }
  }

  const Image& image_;
  const Taps columns_;
  std::vector<float> row_;
  std::array<std::vector<float>, 2> lines_;
  std::array<int, 2> rows_ = {-1, -1};
};

// Rounds halves to even: a float as large as this one has no digits left for fractions.
std::uint8_t ToByte(float value) {
  constexpr float kLarge = 1.5F * (1 << 23);
  const float sum = value + kLarge;
  std::int32_t sum_bits = 0;
  std::int32_t large_bits = 0;
  std::memcpy(&sum_bits, &sum, sizeof sum);
  std::memcpy(&large_bits, &kLarge, sizeof kLarge);
  return static_cast<std::uint8_t>(std::min(sum_bits - large_bits, 255));
}

void ShrinkByWholeFactors(const Image& image, Image* shrunk) {
  const Taps rows = WholeTaps(image.height, shrunk->height);
  Lines lines(image, WholeTaps(image.width, shrunk->width));
  const int factor_x = image.width / shrunk->width;
  const float scale = 1.0F / static_cast<float>(factor_x * rows.count);
  std::vector<std::int32_t> sums(shrunk->RowBytes());
  for (int y = 0; y < shrunk->height; ++y) {
    std::fill(sums.begin(), sums.end(), 0);
    for (int row = y * rows.count; row < (y + 1) * rows.count; ++row) {
      const float* line = lines[row];
      for (std::size_t index = 0; index < sums.size(); ++index) sums[index] += static_cast<std::int32_t>(line[index]);
    }
    if (factor_x == 2 && rows.count == 2) {
      // OpenCV rounds halves up in the mean of 2 x 2 pixels, and to even in other means.
      std::transform(sums.begin(), sums.end(), shrunk->Row(y),
                     [](std::int32_t sum) { return static_cast<std::uint8_t>((sum + 2) >> 2); });
    } else {
      std::transform(sums.begin(), sums.end(), shrunk->Row(y),
                     [scale](std::int32_t sum) { return ToByte(static_cast<float>(sum) * scale); });
    }
  }
}

void ShrinkByArea(const Image& image, Image* shrunk) {
  const Taps rows = AreaTaps(image.height, shrunk->height);
  Lines lines(image, AreaTaps(image.width, shrunk->width));
  std::vector<float> sums(shrunk->RowBytes());
  const float* weights = rows.weights.data();
  for (int y = 0; y < shrunk->height; ++y, weights += rows.count) {
    const int first = rows.first[static_cast<std::size_t>(y)];
    for (int tap = 0; tap < rows.count && weights[tap] != 0; ++tap) {
      const float weight = weights[tap];
      const float* line = lines[first + tap];
      if (tap == 0) std::fill(sums.begin(), sums.end(), 0.0F);
      for (std::size_t index = 0; index < sums.size(); ++index) sums[index] += weight * line[index];
    }
    std::transform(sums.begin(), sums.end(), shrunk->Row(y), ToByte);
  }
}

void ResizeLinear(const Image& image, Image* resized) {
  // OpenCV repeats the border row instead of giving one row all the weight, which rounds differently.
  const Taps rows = LinearTaps(image.height, resized->height, false);
  Lines lines(image, LinearTaps(image.width, resized->width, true));
  const auto line_at = [&](int row) { return lines[std::clamp(row, 0, image.height - 1)]; };
  for (int y = 0; y < resized->height; ++y) {
    const auto place = static_cast<std::size_t>(y);
    const float* first = line_at(rows.first[place]);
    const float* second = line_at(rows.first[place] + 1);
    const auto first_weight = static_cast<std::int16_t>(rows.weights[2 * place]);
    const auto second_weight = static_cast<std::int16_t>(rows.weights[2 * place + 1]);
    // 16 bits are enough, and processors multiply twice as many of them as of 32.
    const auto weighted = [](float value, std::int16_t weight) {
      return (weight * static_cast<std::int16_t>(static_cast<std::int32_t>(value) >> 4)) >> 16;
    };
    std::uint8_t* target = resized->Row(y);
    for (std::size_t index = 0; index < resized->RowBytes(); ++index) {
      const int sum = weighted(first[index], first_weight) + weighted(second[index], second_weight);
      target[index] = static_cast<std::uint8_t>(static_cast<std::int16_t>(sum + 2) >> 2);
    }
  }
}

}  // namespace

Image Resize(const Image& image, int width, int height) {
  if (width == image.width && height == image.height) return image;
  Image resized(width, height);
  if (width > image.width || height > image.height) {
    ResizeLinear(image, &resized);
  } else if (IsWhole(ScaleOf(image.width, width)) && IsWhole(ScaleOf(image.height, height))) {
    ShrinkByWholeFactors(image, &resized);
  } else {
    ShrinkByArea(image, &resized);
  }
  return resized;
}

}  // namespace native310
