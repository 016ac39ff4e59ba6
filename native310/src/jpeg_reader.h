// Reads JPEG files: baseline and progressive, colour, greyscale and CMYK.
#pragma once

#include <string>

#include "image.h"

namespace native310 {

// Reads a file as images.py of the workflow does: turned as its EXIF orientation says, unless only the image as stored
// has the `width` and `height` that annotations give (0: none given). Throws UserError if the file is missing, not a
// JPEG, broken, cut off or of another size.
Image ReadJpeg(const std::string& path, int width, int height);

}  // namespace native310
