#include "exif.h"

#include <cstring>

namespace native310 {
namespace {

constexpr std::size_t kHeaderBytes = 6;  // "Exif\0\0"
constexpr unsigned kOrientationTag = 0x0112;

// A TIFF structure in either byte order; reading past its end gives 0.
struct Tiff {
  const std::uint8_t* data;
  std::size_t bytes;
  bool is_little;

  unsigned Read(std::size_t position, std::size_t count) const {
    if (position > bytes || bytes - position < count) return 0;
    unsigned value = 0;
    for (std::size_t index = 0; index < count; ++index) {
      value = (value << 8) | data[position + (is_little ? count - 1 - index : index)];
    }
    return value;
  }
};

}  // namespace

int ExifOrientation(const std::uint8_t* segment, std::size_t bytes) {
  if (bytes < kHeaderBytes + 8 || std::memcmp(segment, "Exif\0", kHeaderBytes) != 0) return 1;
  const Tiff tiff = {segment + kHeaderBytes, bytes - kHeaderBytes, segment[kHeaderBytes] == 'I'};
  const std::size_t directory = tiff.Read(4, 4);
  const unsigned entries = tiff.Read(directory, 2);
  for (unsigned entry = 0; entry < entries; ++entry) {
    const std::size_t position = directory + 2 + std::size_t{12} * entry;
    if (position >= tiff.bytes) break;
    if (tiff.Read(position, 2) != kOrientationTag) continue;
    const unsigned orientation = tiff.Read(position + 8, 2);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

Image ApplyOrientation(const Image& image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool is_transposed = orientation >= 5;
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
