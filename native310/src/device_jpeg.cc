#include "device_jpeg.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "user_error.h"

namespace native310 {
namespace {

// Of the JPEG decoder (JPEGD) and the image processor (VPC) of Ascend 310, as CANN documents them. VPC takes larger
// images, too, but with other strides.
constexpr int kMinDecodedSide = 32;
constexpr int kMaxResizedSide = 4096;
constexpr int kMinResizedWidth = 10;
constexpr int kMinResizedHeight = 6;
constexpr int kMaxShrinking = 32;
// VPC enlarges by 16, but the colours of RGB are taken from a picture of twice the size.
constexpr int kMaxEnlarging = 8;
constexpr int kLeftAlignment = 16;

int EvenBelow(int value) { return value / 2 * 2; }

// The even number nearest to `value`, but at least 2 and at most `limit`, which is even.
int NearestEven(double value, int limit) {
  return std::clamp(2 * static_cast<int>(std::nearbyint(value / 2)), 2, limit);
}

bool IsResizable(int from, int to) { return to * kMaxShrinking >= from && to <= from * kMaxEnlarging; }

}  // namespace

DevicePlace PlaceOnDevice(int width, int height, const InputSize& input_size, bool letterbox) {
  DevicePlace place;
  place.crop = {0, 0, EvenBelow(width), EvenBelow(height)};
  place.paste = {0, 0, input_size.width, input_size.height};
  if (letterbox) {
    const double scale =
        std::min(static_cast<double>(input_size.width) / width, static_cast<double>(input_size.height) / height);
    place.paste.width = NearestEven(width * scale, input_size.width);
    place.paste.height = NearestEven(height * scale, input_size.height);
    const int left = (input_size.width - place.paste.width) / 2;
    place.paste.left = (left + kLeftAlignment / 2) / kLeftAlignment * kLeftAlignment;
    place.paste.top = EvenBelow((input_size.height - place.paste.height) / 2);
  }
  Placement& placement = place.placement;
  placement.width = width;
  placement.height = height;
  placement.offset_xy = {static_cast<double>(place.paste.left) / input_size.width,
                         static_cast<double>(place.paste.top) / input_size.height};
  // Where the whole image would end, with the pixel that is cut off.
  placement.share_xy = {static_cast<double>(place.paste.width) / input_size.width * width / place.crop.width,
                        static_cast<double>(place.paste.height) / input_size.height * height / place.crop.height};
  return place;
}

std::string WhyHostDecodes(const JpegHeader& header, const DevicePlace& place) {
  if (header.is_progressive) return "progressive";
  if (header.is_arithmetic) return "arithmetic coding";
  if (!header.is_ycc_or_grey) return "colours other than YCbCr";
  if (header.has_several_scans) return "several scans";
  const auto is_one_or_two = [](int step) { return step == 1 || step == 2; };
  if (!is_one_or_two(header.colour_step_x) || !is_one_or_two(header.colour_step_y)) return "unusual subsampling";
  // JPEGD would turn the image, too, but whatever the annotations say.
  if (header.orientation != 1) return "EXIF orientation";
  const auto [smaller, larger] = std::minmax({header.width, header.height});
  if (smaller < kMinDecodedSide || larger > kMaxResizedSide) {
    return std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
  }
  const EvenArea& crop = place.crop;
  const EvenArea& paste = place.paste;
  if (paste.width < kMinResizedWidth || paste.height < kMinResizedHeight || !IsResizable(crop.width, paste.width) ||
      !IsResizable(crop.height, paste.height)) {
    return "resized to " + std::to_string(paste.width) + " x " + std::to_string(paste.height) + " pixels";
  }
  return "";
}

std::vector<std::uint8_t> WithoutExif(const std::vector<std::uint8_t>& jpeg) {
  constexpr std::uint8_t kMark = 0xFF;
  constexpr std::uint8_t kStartOfScan = 0xDA;
  constexpr std::uint8_t kApp1 = 0xE1;
  constexpr std::array<std::uint8_t, 2> kEndOfImage = {kMark, 0xD9};
  constexpr std::size_t kSegmentHead = 4;  // mark, code, and two bytes of the length, which counts itself
  std::size_t position = std::min<std::size_t>(2, jpeg.size());
  std::vector<std::uint8_t> kept(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(position));
  while (jpeg.size() - position >= kSegmentHead && jpeg[position] == kMark && jpeg[position + 1] != kStartOfScan) {
    if (jpeg[position + 1] == kMark) {  // a fill byte
      ++position;
      continue;
    }
    const std::size_t length = std::size_t{2} + jpeg[position + 2] * std::size_t{256} + jpeg[position + 3];
    if (length < kSegmentHead || length > jpeg.size() - position) break;
    const auto segment = jpeg.begin() + static_cast<std::ptrdiff_t>(position);
    if (jpeg[position + 1] != kApp1) kept.insert(kept.end(), segment, segment + static_cast<std::ptrdiff_t>(length));
    position += length;
  }
  const auto scan = jpeg.begin() + static_cast<std::ptrdiff_t>(position);
  if (std::find_end(scan, jpeg.end(), kEndOfImage.begin(), kEndOfImage.end()) == jpeg.end()) return {};
  kept.insert(kept.end(), scan, jpeg.end());
  return kept;
}

std::vector<std::uint8_t> ReadForDevice(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw UserError("image " + path + " cannot be opened (" + std::strerror(errno) + "): check the path");
  }
  return WithoutExif({std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()});
}

}  // namespace native310
