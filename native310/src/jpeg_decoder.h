// The interface of a device that decodes JPEG files into the input of a network, and where it places them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network_io.h"
#include "placement.h"

namespace native310 {

// A part of an image in pixels; all four are even.
struct EvenArea {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

// `crop` of an image is resized to `paste` of the network input; what is left of the input is grey.
struct DevicePlace {
  EvenArea crop;
  EvenArea paste;
  Placement placement;
};

class JpegDecoder {
 public:
  virtual ~JpegDecoder() = default;

  // Writes the image to `target` as the network takes it, which is not normalised. `jpeg` is a complete file without
  // EXIF, by which a device might turn the image. May be called by several threads. Throws UserError
  // if the device fails.
  virtual void Decode(const std::vector<std::uint8_t>& jpeg, const DevicePlace& place, void* target) = 0;
};

}  // namespace native310
