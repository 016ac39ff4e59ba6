// The EXIF orientation of a JPEG file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "image.h"

namespace native310 {

// Returns the orientation, 1 to 8, that an APP1 segment holds; 1 (as stored) if OpenCV finds none in it.
int ExifOrientation(const std::uint8_t* segment, std::size_t bytes);

// Returns whether width and height are exchanged in the upright orientation.
bool SwapsSides(int orientation);

// Rotates and mirrors a stored image to its upright orientation.
Image ApplyOrientation(Image image, int orientation);

}  // namespace native310
