#include "exif.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace native310 {
namespace {

// OpenCV skips what precedes the TIFF structure, "Exif\0\0", without a check.
constexpr std::size_t kHeaderBytes = 6;
constexpr std::uint32_t kTiffMark = 42;
constexpr std::uint32_t kEntryBytes = 12;
constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kResolutionUnitTag = 0x0128;
constexpr std::uint32_t kYCbCrPositioningTag = 0x0213;

// A TIFF structure in either byte order.
struct Tiff {
  const std::uint8_t* data;
  std::size_t bytes;
  bool is_little;

  bool Holds(std::uint64_t position, std::uint64_t count) const {
    return position <= bytes && count <= bytes - position;
  }

  // Returns nothing beyond the end.
  std::optional<std::uint32_t> Read(std::uint64_t position, std::size_t count) const {
    if (!Holds(position, count)) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t index = 0; index < count; ++index) {
      value = (value << 8) | data[position + (is_little ? count - 1 - index : index)];
    }
    return value;
  }
};

// Returns the number of fractions that OpenCV reads for a tag, 0 for other tags.
std::uint32_t FractionsOf(std::uint32_t tag) {
  switch (tag) {
    case 0x011A:  // XResolution
    case 0x011B:  // YResolution
      return 1;
    case 0x013E:  // WhitePoint
      return 2;
    case 0x0211:  // YCbCrCoefficients
      return 3;
    case 0x013F:  // PrimaryChromaticities
    case 0x0214:  // ReferenceBlackWhite
      return 6;
    default:
      return 0;
  }
}

bool IsText(std::uint32_t tag) {
  constexpr std::array<std::uint32_t, 6> kTextTags = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x8298};
  return std::find(kTextTags.begin(), kTextTags.end(), tag) != kTextTags.end();
}

// Returns whether OpenCV can read the value of an entry other than the orientation; it gives up at the first that is
// beyond the end.
bool IsReadable(const Tiff& tiff, std::uint32_t tag, std::uint64_t entry) {
  constexpr std::uint32_t kFractionBytes = 8;
  constexpr std::uint32_t kBytesInEntry = 4;
  const std::optional<std::uint32_t> value = tiff.Read(entry + 8, 4);
  if (const std::uint32_t fractions = FractionsOf(tag); fractions > 0) {
    return value && tiff.Holds(*value, std::uint64_t{fractions} * kFractionBytes);
  }
  if (tag == kResolutionUnitTag || tag == kYCbCrPositioningTag) return tiff.Holds(entry + 8, 2);
  if (!IsText(tag)) return true;
  const std::optional<std::uint32_t> length = tiff.Read(entry + 4, 4);
  if (!length) return false;
  // A short text is in the entry itself, for which OpenCV checks another place.
  if (*length <= kBytesInEntry) return tiff.Holds(8, *length);
  return value && tiff.Holds(*value, *length);
}

}  // namespace

int ExifOrientation(const std::uint8_t* segment, std::size_t bytes) {
  if (bytes <= kHeaderBytes + 1) return 1;
  const std::uint8_t* start = segment + kHeaderBytes;
  // OpenCV takes everything that is not little endian for big endian.
  const Tiff tiff = {start, bytes - kHeaderBytes, start[0] == 'I' && start[1] == 'I'};
  const std::optional<std::uint32_t> directory = tiff.Read(4, 4);
  if (tiff.Read(2, 2) != kTiffMark || !directory) return 1;
  const std::uint32_t entries = tiff.Read(*directory, 2).value_or(0);
  // Places have 32 bits in OpenCV, too, and begin again from 0 beyond them.
  std::uint32_t position = *directory + 2;
  for (std::uint32_t entry = 0; entry < entries; ++entry, position += kEntryBytes) {
    const std::optional<std::uint32_t> tag = tiff.Read(position, 2);
    if (!tag) break;
    if (*tag == kOrientationTag) {
      const std::uint32_t orientation = tiff.Read(std::uint64_t{position} + 8, 2).value_or(1);
      return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
    }
    if (!IsReadable(tiff, *tag, position)) break;
  }
  return 1;
}

bool SwapsSides(int orientation) { return orientation >= 5 && orientation <= 8; }

Image ApplyOrientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool is_transposed = SwapsSides(orientation);
  Image upright(is_transposed ? image.height : image.width, is_transposed ? image.width : image.height);
  const bool mirrors_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrors_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x) {
      const int stored_x = is_transposed ? y : x;
      const int stored_y = is_transposed ? x : y;
      const int column = mirrors_x ? image.width - 1 - stored_x : stored_x;
      const int row = mirrors_y ? image.height - 1 - stored_y : stored_y;
      std::memcpy(upright.Row(y) + x * kImageChannels, image.Row(row) + column * kImageChannels, kImageChannels);
    }
  }
  return upright;
}

}  // namespace native310
