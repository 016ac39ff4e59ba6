// Reads JPEG files: baseline and progressive, colour, greyscale and CMYK.
#pragma once

#include <string>

#include "image.h"

namespace native310 {

// What a decoder that does not decode every JPEG file has to know about one.
struct JpegHeader {
  int width = 0;  // of the stored image, in pixels
  int height = 0;
  bool is_progressive = false;
  bool is_arithmetic = false;      // arithmetic coding instead of Huffman's
  bool has_several_scans = false;  // true for progressive files, too
  bool is_ycc_or_grey = false;     // the colours as they are stored
  int colour_step_x = 1;           // luma pixels per pixel of the colours; 0 if that is no whole number
  int colour_step_y = 1;
  int orientation = 1;  // of EXIF
};

// Reads the header of a file. Throws UserError if the file is missing or ReadJpeg could not decode it either.
JpegHeader ReadJpegHeader(const std::string& path);

// Reads a file as workflow/lib/yolov3/data/images.py does: applies the EXIF orientation unless only the stored image
// has the annotated `width` and `height` (0 if not annotated). Throws UserError if the file is missing, not a JPEG,
// corrupt, cut off or of another size.
Image ReadJpeg(const std::string& path, int width, int height);

}  // namespace native310
