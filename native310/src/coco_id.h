// Ids of images and categories in COCO files.
#pragma once

#include <string>

namespace native310 {

// An id in decimal digits: ids have 64 bits, with or without sign, and are only compared and written again.
struct CocoId {
  std::string digits = "0";

  bool operator==(const CocoId& other) const { return digits == other.digits; }
};

}  // namespace native310
