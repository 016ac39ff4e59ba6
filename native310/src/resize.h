// Resizing with the arithmetic of OpenCV's cv2.resize, which the Python side uses.
#pragma once

#include "image.h"

namespace native310 {

// As resize() of workflow/lib/yolov3/preprocess.py: area average when shrinking both ways, else bilinear.
Image Resize(const Image& image, int width, int height);

}  // namespace native310
