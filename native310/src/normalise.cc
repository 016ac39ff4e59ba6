#include "normalise.h"

#include "yuv420sp.h"

namespace native310 {
namespace {

// Calls put(target index, source index, channel) for every element, both in their own layout.
template <typename Put>
void ForEachElement(const InputSize& size, Layout from, Layout to, Put put) {
  const std::size_t pixels = static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width);
  const auto stride_of = [pixels](Layout layout) {
    return layout == Layout::kNchw ? std::array<std::size_t, 2>{pixels, 1}
                                   : std::array<std::size_t, 2>{1, static_cast<std::size_t>(kImageChannels)};
  };
  const auto source = stride_of(from);
  const auto target = stride_of(to);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t channel = 0; channel < kImageChannels; ++channel) {
      put(channel * target[0] + pixel * target[1], channel * source[0] + pixel * source[1], channel);
    }
  }
}

// The network input for each pixel value.
using ValueTable = std::array<float, 256>;

std::array<ValueTable, kImageChannels> MakeTables(const MeanStd& mean_std) {
  std::array<ValueTable, kImageChannels> tables{};
  for (std::size_t channel = 0; channel < tables.size(); ++channel) {
    // In single precision and in the order of normalise() in preprocess.py, to be equal to the last bit.
    const float mean = mean_std.mean_rgb[channel] * 255.0F;
    const float scale = 1.0F / (mean_std.std_rgb[channel] * 255.0F);
    float pixel = 0;
    for (float& value : tables[channel]) value = (pixel++ - mean) * scale;
  }
  return tables;
}

}  // namespace

void ConvertPixels(const std::uint8_t* pixels, Layout layout, const MeanStd& mean_std, const InputSpec& spec,
                   void* target) {
  if (spec.format == PixelFormat::kYuv420sp) {
    ToYuv420sp(pixels, layout, spec.size, static_cast<std::uint8_t*>(target));
    return;
  }
  if (spec.type == ElementType::kUint8) {
    auto* values = static_cast<std::uint8_t*>(target);
    ForEachElement(spec.size, layout, spec.layout,
                   [=](std::size_t to, std::size_t from, std::size_t) { values[to] = pixels[from]; });
    return;
  }
  const std::array<ValueTable, kImageChannels> tables = MakeTables(mean_std);
  auto* values = static_cast<float*>(target);
  ForEachElement(spec.size, layout, spec.layout, [&](std::size_t to, std::size_t from, std::size_t channel) {
    values[to] = tables[channel][pixels[from]];
  });
}

void ConvertFloats(const float* values, Layout layout, const InputSpec& spec, float* target) {
  ForEachElement(spec.size, layout, spec.layout,
                 [=](std::size_t to, std::size_t from, std::size_t) { target[to] = values[from]; });
}

}  // namespace native310
