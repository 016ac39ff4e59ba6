#include "device_jpeg.h"

#include <cmath>
#include <random>

#include "check.h"

namespace {

using native310::DevicePlace;
using native310::JpegHeader;
using native310::PlaceOnDevice;
using native310::WhyHostDecodes;
using native310::WithoutExif;
using Bytes = std::vector<std::uint8_t>;

constexpr native310::InputSize kInput = {416, 416};

JpegHeader HeaderOf(int width, int height) {
  JpegHeader header;
  header.width = width;
  header.height = height;
  header.is_ycc_or_grey = true;
  header.colour_step_x = 2;
  header.colour_step_y = 2;
  return header;
}

std::string WhyHostDecodes(const JpegHeader& header) {
  return WhyHostDecodes(header, PlaceOnDevice(header.width, header.height, kInput, false));
}

// Whether the first and the last pixel of the crop, at these positions of the input, are mapped back to the image.
bool MapsBack(const DevicePlace& place, std::size_t axis, int input_extent, int image_extent, int first, int extent,
              int cropped) {
  const auto to_image = [&](double position) {
    const double share = (position / input_extent - place.placement.offset_xy[axis]) / place.placement.share_xy[axis];
    return share * image_extent;
  };
  return std::fabs(to_image(first)) < 1e-9 && std::fabs(to_image(first + extent) - cropped) < 1e-9;
}

bool IsEven(const native310::EvenArea& area) {
  return (area.left | area.top | area.width | area.height) % 2 == 0 && area.width > 0 && area.height > 0;
}

}  // namespace

TEST(PlacesAreAlignedAndMapBoxesBack) {
  for (const native310::InputSize& input : {kInput, native310::InputSize{320, 608}}) {
    for (int width = 2; width < 1200; width += 7) {
      for (int height = 2; height < 1200; height += 11) {
        for (const bool letterbox : {false, true}) {
          const DevicePlace place = PlaceOnDevice(width, height, input, letterbox);
          const bool is_aligned = IsEven(place.crop) && IsEven(place.paste) && place.paste.left % 16 == 0;
          const bool is_inside = place.crop.width <= width && place.crop.height <= height &&
                                 place.paste.left + place.paste.width <= input.width &&
                                 place.paste.top + place.paste.height <= input.height;
          const bool maps_back =
              MapsBack(place, 0, input.width, width, place.paste.left, place.paste.width, place.crop.width) &&
              MapsBack(place, 1, input.height, height, place.paste.top, place.paste.height, place.crop.height);
          if (!is_aligned || !is_inside || !maps_back) {
            CHECK(is_aligned && is_inside && maps_back);
            return;
          }
        }
      }
    }
  }
  CHECK(true);
}

TEST(ALetterboxedImageLiesInTheMiddleAsFarAsDvppCan) {
  // 640 x 480 to 416 x 312, 52 from the top.
  const DevicePlace wide = PlaceOnDevice(640, 480, kInput, true);
  CHECK(wide.paste.left == 0 && wide.paste.top == 52 && wide.paste.width == 416 && wide.paste.height == 312);
  // 480 x 640 to 312 x 416, which would lie 52 from the left: 48 is the nearest multiple of 16.
  const DevicePlace tall = PlaceOnDevice(480, 640, kInput, true);
  CHECK(tall.paste.left == 48 && tall.paste.top == 0 && tall.paste.width == 312 && tall.paste.height == 416);
  CHECK(tall.placement.offset_xy[0] == 48.0 / 416 && tall.placement.share_xy[0] == 312.0 / 416);
}

TEST(AnOddSideLosesAPixelButNotTheScale) {
  const DevicePlace place = PlaceOnDevice(427, 640, kInput, false);
  CHECK(place.crop.width == 426 && place.crop.height == 640);
  CHECK(place.placement.width == 427 && std::fabs(place.placement.share_xy[0] - 427.0 / 426) < 1e-12);
}

TEST(WhatJpegdAndVpcDecode) {
  CHECK(WhyHostDecodes(HeaderOf(640, 480)).empty());
  for (const int width : {1, 2}) {
    for (const int height : {1, 2}) {
      JpegHeader header = HeaderOf(640, 480);
      header.colour_step_x = width;
      header.colour_step_y = height;
      CHECK(WhyHostDecodes(header).empty());
    }
  }
  CHECK(WhyHostDecodes(HeaderOf(52, 52)).empty() && WhyHostDecodes(HeaderOf(4096, 4096)).empty());
}

TEST(WhatTheHostDecodes) {
  const auto with = [](auto change) {
    JpegHeader header = HeaderOf(640, 480);
    change(&header);
    return WhyHostDecodes(header);
  };
  CHECK(with([](JpegHeader* header) { header->is_progressive = true; }) == "progressive");
  CHECK(with([](JpegHeader* header) { header->is_arithmetic = true; }) == "arithmetic coding");
  CHECK(with([](JpegHeader* header) { header->is_ycc_or_grey = false; }) == "colours other than YCbCr");
  CHECK(with([](JpegHeader* header) { header->has_several_scans = true; }) == "several scans");
  CHECK(with([](JpegHeader* header) { header->colour_step_x = 4; }) == "unusual subsampling");
  CHECK(with([](JpegHeader* header) { header->colour_step_y = 0; }) == "unusual subsampling");
  CHECK(with([](JpegHeader* header) { header->orientation = 6; }) == "EXIF orientation");
  CHECK(WhyHostDecodes(HeaderOf(31, 480)) == "31 x 480 pixels");
  CHECK(WhyHostDecodes(HeaderOf(640, 4097)) == "640 x 4097 pixels");
  CHECK(WhyHostDecodes(HeaderOf(1, 1)) == "1 x 1 pixels");
  // From 50 pixels, which are more than eight times as many.
  CHECK(WhyHostDecodes(HeaderOf(51, 51)) == "resized to 416 x 416 pixels");
  // Of a long strip 8 columns would be left, and VPC needs 10.
  CHECK(WhyHostDecodes(HeaderOf(40, 2080), PlaceOnDevice(40, 2080, kInput, true)) == "resized to 8 x 416 pixels");
}

TEST(ExifIsCutOutAndAllElseIsKept) {
  const Bytes exif = {0xFF, 0xE1, 0, 4, 'E', 'x'};
  const Bytes comment = {0xFF, 0xFE, 0, 3, 'c'};
  const Bytes scan = {0xFF, 0xDA, 0, 2, 1, 0xFF, 0, 0xFF, 0xE1, 0, 2, 0xFF, 0xD9, 7};
  const auto file = [](const std::vector<Bytes>& parts) {
    Bytes joined = {0xFF, 0xD8};
    for (const Bytes& part : parts) joined.insert(joined.end(), part.begin(), part.end());
    return joined;
  };
  CHECK(WithoutExif(file({exif, comment, {0xFF}, exif, scan})) == file({comment, scan}));
  CHECK(WithoutExif(file({scan})) == file({scan}));
}

TEST(DamagedFilesDoNoHarm) {
  std::mt19937 random(0);
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  for (int run = 0; run < 20000; ++run) {
    // Mostly marks and small lengths, so that many segments are whole.
    Bytes file(below(60));
    for (std::uint8_t& value : file) {
      constexpr std::uint8_t kValues[] = {0xFF, 0xFF, 0xD8, 0xD9, 0xDA, 0xE1, 0xFE, 0, 0, 2, 3, 9};
      value = kValues[below(std::size(kValues))];
    }
    const Bytes kept = WithoutExif(file);
    if (kept.size() > file.size()) CHECK(kept.size() <= file.size());
  }
  CHECK(true);
}

TEST(AFileWithoutAnEndIsNone) {
  const Bytes whole = {0xFF, 0xD8, 0xFF, 0xE1, 0, 4, 0xFF, 0xD9, 0xFF, 0xDA, 0, 2, 1, 2, 3, 0xFF, 0xD9};
  CHECK(!WithoutExif(whole).empty());
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    // The mark in the EXIF is that of its thumbnail; only a cut within the segment leaves it as the last one.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    CHECK(WithoutExif(cut).empty());
  }
}
