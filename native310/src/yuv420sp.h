// The format of pixels in which Ascend's decoder and AIPP exchange images.
#pragma once

#include <cstdint>

#include "network_io.h"

namespace native310 {

// Converts uint8 RGB of `layout` to YUV420SP (NV12) as JPEG defines YCbCr: BT.601, all values from 0 to 255
// (JFIF 1.02). A colour is the mean of four pixels. `size` must be even.
void ToYuv420sp(const std::uint8_t* rgb, Layout layout, const InputSize& size, std::uint8_t* target);

}  // namespace native310
