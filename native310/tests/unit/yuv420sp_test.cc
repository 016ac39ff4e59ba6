#include "yuv420sp.h"

#include <vector>

#include "check.h"

using native310::Layout;
using native310::ToYuv420sp;

namespace {

// Four pixels of one colour, and their Y, U and V.
std::vector<std::uint8_t> Converted(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  std::vector<std::uint8_t> rgb;
  for (int pixel = 0; pixel < 4; ++pixel) rgb.insert(rgb.end(), {red, green, blue});
  std::vector<std::uint8_t> yuv(6);
  ToYuv420sp(rgb.data(), Layout::kNhwc, {2, 2}, yuv.data());
  return {yuv[0], yuv[4], yuv[5]};
}

}  // namespace

TEST(ColoursByTheFormulasOfJfif) {
  CHECK((Converted(128, 128, 128) == std::vector<std::uint8_t>{128, 128, 128}));
  CHECK((Converted(255, 255, 255) == std::vector<std::uint8_t>{255, 128, 128}));
  // Y = 0.299 x 255 = 76.2; U = 128 - 0.168736 x 255 = 85.0; V = 128 + 127.5, which is above 255.
  CHECK((Converted(255, 0, 0) == std::vector<std::uint8_t>{76, 85, 255}));
  // Y = 0.587 x 255 = 149.7; U = 128 - 0.331264 x 255 = 43.5; V = 128 - 0.418688 x 255 = 21.2.
  CHECK((Converted(0, 255, 0) == std::vector<std::uint8_t>{150, 44, 21}));
  // Y = 0.114 x 255 = 29.1; V = 128 - 0.081312 x 255 = 107.3.
  CHECK((Converted(0, 0, 255) == std::vector<std::uint8_t>{29, 255, 107}));
}

TEST(PlanesOfFourByTwoPixels) {
  // Left half white and black by rows, right half red.
  const std::vector<std::uint8_t> rgb = {255, 255, 255, 255, 255, 255, 255, 0, 0, 255, 0, 0,
                                         0,   0,   0,   0,   0,   0,   255, 0, 0, 255, 0, 0};
  const std::vector<std::uint8_t> wanted = {255, 255, 76, 76, 0, 0, 76, 76, 128, 128, 85, 255};
  std::vector<std::uint8_t> yuv(wanted.size());
  ToYuv420sp(rgb.data(), Layout::kNhwc, {2, 4}, yuv.data());
  CHECK(yuv == wanted);
  std::vector<std::uint8_t> planes;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t pixel = 0; pixel < 8; ++pixel) planes.push_back(rgb[3 * pixel + channel]);
  }
  ToYuv420sp(planes.data(), Layout::kNchw, {2, 4}, yuv.data());
  CHECK(yuv == wanted);
}
