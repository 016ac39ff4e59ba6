// Half-precision numbers, which an Ascend model may output.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace native310 {

// Converts IEEE 754 binary16 to float exactly.
inline float HalfToFloat(std::uint16_t half) {
  const int exponent = (half >> 10) & 0x1F;
  const int fraction = half & 0x3FF;
  float magnitude = 0;
  if (exponent == 0x1F) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// Converts `bytes`, which hold float16 or float32 values, to floats; an incomplete value at the end is ignored.
inline void ToFloats(const std::vector<unsigned char>& bytes, bool is_half, std::vector<float>* values) {
  values->resize(bytes.size() / (is_half ? sizeof(std::uint16_t) : sizeof(float)));
  if (!is_half) {
    std::memcpy(values->data(), bytes.data(), values->size() * sizeof(float));
    return;
  }
  for (std::size_t index = 0; index < values->size(); ++index) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + index * sizeof half, sizeof half);
    (*values)[index] = HalfToFloat(half);
  }
}

}  // namespace native310
