// Rounding to half precision, in which an Ascend device computes.
#pragma once

#include <cmath>
#include <cstdint>

#include "half.h"

namespace fake_acl {

// Rounds to nearest, ties to even; for finite values only.
inline std::uint16_t ToHalf(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::fabs(value);
  if (magnitude < std::ldexp(1.0F, -14)) {
    return static_cast<std::uint16_t>(sign | static_cast<int>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);  // 0.5 <= fraction < 1
  const int mantissa = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + (mantissa - 0x400)));
}

inline float AsHalf(float value) { return native310::HalfToFloat(ToHalf(value)); }

}  // namespace fake_acl
