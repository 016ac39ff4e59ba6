// An image in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network_io.h"

namespace native310 {

// uint8 RGB [height, width, 3].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int image_width, int image_height, std::uint8_t value = 0)
      : width(image_width), height(image_height), pixels(RowBytes() * static_cast<std::size_t>(image_height), value) {}

  std::size_t RowBytes() const { return static_cast<std::size_t>(width) * kImageChannels; }
  const std::uint8_t* Row(int row) const { return pixels.data() + static_cast<std::size_t>(row) * RowBytes(); }
  std::uint8_t* Row(int row) { return pixels.data() + static_cast<std::size_t>(row) * RowBytes(); }
};

}  // namespace native310
