// Resizing with the arithmetic of cv2.resize, which Python uses.
#pragma once

#include "image.h"

namespace native310 {

// Like resize() of workflow/lib/yolov3/network/preprocess.py: area average when shrinking both sides, else bilinear.
Image Resize(const Image& image, int width, int height);

}  // namespace native310
