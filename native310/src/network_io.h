// Input and output of a network in the terms that all engines share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace native310 {

constexpr int kImageChannels = 3;
constexpr int kAnchorsPerStride = 3;
constexpr std::array<int, 3> kStrides = {8, 16, 32};

enum class Layout { kNchw, kNhwc };
enum class ElementType { kUint8, kFloat32 };
// kYuv420sp (NV12): a plane of Y, then a plane of U and V by turns, of half the width and height.
enum class PixelFormat { kRgb, kYuv420sp };

// Size of the network input in pixels; both are multiples of 32.
struct InputSize {
  int height = 0;
  int width = 0;

  bool operator==(const InputSize& other) const { return height == other.height && width == other.width; }
  bool operator!=(const InputSize& other) const { return !(*this == other); }
};

inline std::string ToString(const InputSize& size) {
  return std::to_string(size.height) + " x " + std::to_string(size.width);
}

inline std::string ToString(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text.empty() ? "scalar" : text;
}

inline std::size_t BytesOf(ElementType type) { return type == ElementType::kUint8 ? 1 : sizeof(float); }

// The one input tensor of a network: `batch` images.
struct InputSpec {
  int batch = 1;
  InputSize size;
  Layout layout = Layout::kNchw;
  ElementType type = ElementType::kFloat32;
  PixelFormat format = PixelFormat::kRgb;  // kYuv420sp only with kUint8

  std::size_t Pixels() const { return static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width); }
  std::size_t ImageElements() const {
    return format == PixelFormat::kYuv420sp ? Pixels() * 3 / 2 : Pixels() * kImageChannels;
  }
  std::size_t ImageBytes() const { return ImageElements() * BytesOf(type); }
  std::size_t Bytes() const { return ImageBytes() * static_cast<std::size_t>(batch); }
};

// One float32 output tensor in the memory of the engine; valid until the engine runs again.
struct OutputView {
  std::vector<std::int64_t> shape;
  Layout layout_hint;  // decides only if both layouts fit the shape
  const float* data;
};

// Raw output of one stride for one image: float32 [channels, height, width], channels = 3 * (5 + classes).
struct RawMap {
  int height = 0;
  int width = 0;
  std::vector<float> values;
};

// Of the strides 8, 16 and 32.
using RawMaps = std::array<RawMap, 3>;

// A raw map in the memory of the engine: the value of a channel at a cell, counted by rows, is
// values[channel * channel_step + cell * cell_step].
struct RawMapView {
  int height = 0;
  int width = 0;
  const float* values = nullptr;
  std::size_t channel_step = 0;
  std::size_t cell_step = 0;

  std::size_t cells() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
};

using RawMapViews = std::array<RawMapView, 3>;

}  // namespace native310
