// Half-precision numbers, which an Ascend model may output.
#pragma once

#include <cstdint>
#include <cstring>

namespace native310 {

// Converts IEEE 754 binary16 to float exactly.
inline float HalfToFloat(std::uint16_t half) {
  constexpr std::uint32_t kExponent = 0x7C00;
  constexpr std::uint32_t kInfinity = 0x7F800000;  // of float
  // Both exponents begin at the same bit after the shift, but are 2^112 apart. The product also normalises numbers that
  // are too small for a half's exponent.
  std::uint32_t bits = (half & 0x7FFFU) << 13;
  float magnitude = 0;
  std::memcpy(&magnitude, &bits, sizeof bits);
  magnitude *= 0x1p112F;
  std::memcpy(&bits, &magnitude, sizeof bits);
  if ((half & kExponent) == kExponent) bits |= kInfinity;
  bits |= (half & 0x8000U) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

}  // namespace native310
