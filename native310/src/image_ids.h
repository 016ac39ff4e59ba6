// Ids and sizes of images, from COCO annotations or from file names.
#pragma once

#include <string>
#include <unordered_map>

#include "coco_id.h"

namespace native310 {

struct AnnotatedImage {
  CocoId id;
  int width = 0;  // 0 if unknown
  int height = 0;
};

// Reads the images of COCO annotations by file name without folder. Throws UserError if the file is invalid.
std::unordered_map<std::string, AnnotatedImage> ReadAnnotatedImages(const std::string& path);

// Returns the number at the end of a file name without extension: COCO_val2014_000000000042.jpg gives 42. Throws
// UserError if there is none.
CocoId IdFromName(const std::string& file_name);

}  // namespace native310
