// The EXIF orientation of a JPEG file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "image.h"

namespace native310 {

// Returns the orientation, 1 to 8, that an APP1 segment holds; 1 (as stored) if it holds none.
int ExifOrientation(const std::uint8_t* segment, std::size_t bytes);

// Rotates and mirrors a stored image to its upright orientation.
Image ApplyOrientation(const Image& image, int orientation);

}  // namespace native310
