#include "half.h"

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
