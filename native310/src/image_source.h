// A sequence of images ready for the network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "network_io.h"
#include "placement.h"

namespace native310 {

struct ImageInfo {
  std::int64_t id = 0;
  std::string name;  // stem of the names of result files
  Placement placement;
};

class ImageSource {
 public:
  ImageSource() = default;
  ImageSource(const ImageSource&) = delete;
  ImageSource& operator=(const ImageSource&) = delete;
  virtual ~ImageSource() = default;

  virtual std::size_t size() const = 0;

  // Writes image `index` to `target`, which holds spec.ImageBytes() bytes. Throws UserError if it cannot be read.
  virtual ImageInfo Read(std::size_t index, const InputSpec& spec, void* target) = 0;
};

}  // namespace native310
