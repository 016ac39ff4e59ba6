// Places an image in the network input (place_image() of workflow/lib/yolov3/network/preprocess.py).
#pragma once

#include "image.h"
#include "network_io.h"
#include "placement.h"

namespace native310 {

struct PlacedImage {
  Image image;  // has the size of the network input
  Placement placement;
};

// Stretches the image to the input size or, with `letterbox`, keeps the aspect ratio and pads with grey.
PlacedImage PlaceImage(const Image& image, const InputSize& input_size, bool letterbox);

}  // namespace native310
