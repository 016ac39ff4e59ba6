#include "yuv420sp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace native310 {
namespace {

constexpr float kNoColour = 128;

std::uint8_t ToByte(float value) { return static_cast<std::uint8_t>(std::clamp(std::nearbyintf(value), 0.0F, 255.0F)); }

}  // namespace

void ToYuv420sp(const std::uint8_t* rgb, Layout layout, const InputSize& size, std::uint8_t* target) {
  const auto height = static_cast<std::size_t>(size.height);
  const auto width = static_cast<std::size_t>(size.width);
  const std::size_t channel_stride = layout == Layout::kNchw ? height * width : 1;
  const std::size_t pixel_stride = layout == Layout::kNchw ? 1 : kImageChannels;
  std::uint8_t* colours = target + height * width;
  for (std::size_t top = 0; top < height; top += 2) {
    for (std::size_t left = 0; left < width; left += 2) {
      std::array<float, kImageChannels> mean{};
      for (const std::size_t pixel :
           {top * width + left, top * width + left + 1, (top + 1) * width + left, (top + 1) * width + left + 1}) {
        std::array<float, kImageChannels> value{};
        for (std::size_t channel = 0; channel < value.size(); ++channel) {
          value[channel] = rgb[pixel * pixel_stride + channel * channel_stride];
          mean[channel] += value[channel] / 4;
        }
        target[pixel] = ToByte(0.299F * value[0] + 0.587F * value[1] + 0.114F * value[2]);
      }
      *colours++ = ToByte(kNoColour - 0.168736F * mean[0] - 0.331264F * mean[1] + 0.5F * mean[2]);
      *colours++ = ToByte(kNoColour + 0.5F * mean[0] - 0.418688F * mean[1] - 0.081312F * mean[2]);
    }
  }
}

void RgbFromYuv444sp(const std::uint8_t* luma, const std::uint8_t* colours, std::size_t pixels, std::uint8_t* rgb) {
  // In 1/65536, as in libjpeg.
  constexpr int kShift = 16;
  constexpr int kHalf = 1 << (kShift - 1);
  const auto to_byte = [](int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); };
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const int y = luma[pixel];
    const int u = colours[2 * pixel] - 128;
    const int v = colours[2 * pixel + 1] - 128;
    *rgb++ = to_byte(y + ((91881 * v + kHalf) >> kShift));
    *rgb++ = to_byte(y + ((-22554 * u - 46802 * v + kHalf) >> kShift));
    *rgb++ = to_byte(y + ((116130 * u + kHalf) >> kShift));
  }
}

}  // namespace native310
