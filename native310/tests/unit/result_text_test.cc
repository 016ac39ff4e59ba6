#include <array>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>

#include "check.h"
#include "result_writer.h"

namespace {

// What Python's json.dumps gives for a number that is rounded to `decimals`.
std::string Printed(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  const double rounded = std::nearbyint(value * scale) / scale;
  char text[64];
  if (rounded > 0 && rounded < 1e-4) {
    std::snprintf(text, sizeof text, "%.0e", rounded);
    return text;
  }
  std::snprintf(text, sizeof text, "%.*f", decimals, rounded);
  std::string shortest = text;
  while (shortest.back() == '0' && shortest[shortest.size() - 2] != '.') shortest.pop_back();
  return shortest;
}

}  // namespace

TEST(CocoResultsAreRounded) {
  const native310::Detection detection{{1.004F, 0.996F, 11.251F, 20.5F}, 0.123456F, 0};
  CHECK(native310::CocoResult({"42"}, {"7"}, detection) ==
        R"({"image_id":42,"category_id":7,"bbox":[1.0,1.0,10.25,19.5],"score":0.12346})");
}

TEST(HalvesAreRoundedToEven) {
  const native310::Detection detection{{0.125F, 0.375F, 0.25F, 0.5F}, 1.0F, 0};
  CHECK(native310::CocoResult({"1"}, {"18446744073709551615"}, detection) ==
        R"({"image_id":1,"category_id":18446744073709551615,"bbox":[0.12,0.38,0.12,0.12],"score":1.0})");
}

TEST(NumbersArePrintedAsByPython) {
  std::mt19937 random(1);
  // From a small part of a pixel to enormous images.
  const auto pixels = [&random] {
    return std::ldexp(static_cast<float>(random() % 65536), static_cast<int>(random() % 24) - 16);
  };
  for (int count = 0; count < 20000; ++count) {
    const float left = pixels();
    const float top = count % 8 == 0 ? 0 : pixels();
    // Every score of five digits in steps, the smallest ones too.
    const float score = static_cast<float>(count < 100 ? count : count * 5) * 1e-5F;
    const native310::Detection detection{{left, top, left + pixels(), top + pixels()}, score, 0};
    const std::array<double, 4> xyxy = {left, top, detection.box_xyxy[2], detection.box_xyxy[3]};
    const std::string expected = R"({"image_id":42,"category_id":7,"bbox":[)" + Printed(xyxy[0], 2) + "," +
                                 Printed(xyxy[1], 2) + "," + Printed(xyxy[2] - xyxy[0], 2) + "," +
                                 Printed(xyxy[3] - xyxy[1], 2) + R"(],"score":)" + Printed(score, 5) + "}";
    CHECK(native310::CocoResult({"42"}, {"7"}, detection) == expected);
  }
}
