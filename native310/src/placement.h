// Where an image lies in the network input (Placement of workflow/lib/yolov3/network/preprocess.py).
#pragma once

#include <array>

namespace native310 {

struct Placement {
  int width = 0;  // of the original image in pixels
  int height = 0;
  std::array<double, 2> offset_xy = {0, 0};  // left and top in 0..1 of the network input
  std::array<double, 2> share_xy = {1, 1};   // width and height in 0..1 of the network input
};

}  // namespace native310
