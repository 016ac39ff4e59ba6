// The formats of pixels in which Ascend's DVPP and AIPP exchange images.
#pragma once

#include <cstddef>
#include <cstdint>

#include "network_io.h"

namespace native310 {

// Converts uint8 RGB of `layout` to YUV420SP (NV12) as JPEG defines YCbCr: BT.601, all values from 0 to 255
// (JFIF 1.02). A colour is the mean of four pixels. `size` must be even.
void ToYuv420sp(const std::uint8_t* rgb, Layout layout, const InputSize& size, std::uint8_t* target);

// Converts pixels of YUV444SP (a plane of Y; one of U and V by turns, of the same size) to RGB [pixels, 3], the same
// way back.
void RgbFromYuv444sp(const std::uint8_t* luma, const std::uint8_t* colours, std::size_t pixels, std::uint8_t* rgb);

}  // namespace native310
