// Reads JPEG files: baseline and progressive, colour, greyscale and CMYK.
#pragma once

#include <string>

#include "image.h"

namespace native310 {

// Reads a file as workflow/lib/yolov3/data/images.py does: applies the EXIF orientation unless only the stored image
// has the annotated `width` and `height` (0 if not annotated). Throws UserError if the file is missing, not a JPEG,
// corrupt, cut off or of another size.
Image ReadJpeg(const std::string& path, int width, int height);

}  // namespace native310
