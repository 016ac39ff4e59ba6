#include "half.h"

#include <cmath>

#include "check.h"

TEST(HalfNumbersAreExact) {
  CHECK(native310::HalfToFloat(0x3C00) == 1.0F);
  CHECK(native310::HalfToFloat(0xC000) == -2.0F);
  CHECK(native310::HalfToFloat(0x7BFF) == 65504.0F);
  CHECK(native310::HalfToFloat(0x0001) == 5.960464477539063e-08F);
  CHECK(native310::HalfToFloat(0x3555) == 0.333251953125F);
  CHECK(std::isinf(native310::HalfToFloat(0x7C00)));
  CHECK(std::isnan(native310::HalfToFloat(0x7E00)));
}

TEST(EveryFiniteHalfIsItsFractionTimesItsPowerOfTwo) {
  constexpr int kFractionBits = 10;
  constexpr int kBias = 15;
  for (int bits = 0; bits < 0x7C00; ++bits) {
    const int exponent = bits >> kFractionBits;
    const int fraction = (bits & 0x3FF) + (exponent > 0 ? 0x400 : 0);
    const float expected =
        std::ldexp(static_cast<float>(fraction), (exponent > 0 ? exponent : 1) - kBias - kFractionBits);
    CHECK(native310::HalfToFloat(static_cast<std::uint16_t>(bits)) == expected);
    CHECK(native310::HalfToFloat(static_cast<std::uint16_t>(bits | 0x8000)) == -expected);
  }
}
