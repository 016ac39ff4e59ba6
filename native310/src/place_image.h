// What the network sees of an image (place_image() of workflow/lib/yolov3/preprocess.py).
#pragma once

#include "image.h"
#include "network_io.h"
#include "placement.h"

namespace native310 {

struct PlacedImage {
  Image image;  // of the size of the network input
  Placement placement;
};

// Resizes straight to the input, or, with `letterbox`, keeps the aspect ratio and pads with grey.
PlacedImage PlaceImage(const Image& image, const InputSize& input_size, bool letterbox);

}  // namespace native310
