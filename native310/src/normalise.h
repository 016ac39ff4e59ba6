// Conversion of pixels to network input: layout, type, mean and standard deviation.
#pragma once

#include <array>
#include <cstdint>

#include "network_io.h"

namespace native310 {

// Per channel RGB, for pixel values in 0..1. The defaults are those of ImageNet.
struct MeanStd {
  std::array<float, 3> mean_rgb = {0.485F, 0.456F, 0.406F};
  std::array<float, 3> std_rgb = {0.229F, 0.224F, 0.225F};

  bool operator==(const MeanStd& other) const { return mean_rgb == other.mean_rgb && std_rgb == other.std_rgb; }
};

// Converts a uint8 RGB image of `layout` to the input of `spec`: (x / 255 - mean) / std for a float32 input, the pixel
// values themselves, as RGB or YUV420SP, for a uint8 input (a model that normalises).
void ConvertPixels(const std::uint8_t* pixels, Layout layout, const MeanStd& mean_std, const InputSpec& spec,
                   void* target);

// Converts a float32 image of `layout` to the layout of `spec`.
void ConvertFloats(const float* values, Layout layout, const InputSpec& spec, float* target);

}  // namespace native310
