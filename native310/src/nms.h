// Class-wise greedy non-maximum suppression (class_wise_nms() of workflow/lib/yolov3/evaluation/nms.py).
#pragma once

#include <vector>

#include "postprocess.h"

namespace native310 {

// Drops each candidate that overlaps a better one of its class by an IoU above `iou_threshold`. Best first; of equal
// scores the earlier candidate wins. Keeps at most `max_detections`, all if it is 0.
std::vector<Detection> ClassWiseNms(const std::vector<Detection>& candidates, double iou_threshold, int max_detections);

}  // namespace native310
