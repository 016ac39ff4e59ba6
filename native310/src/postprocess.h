// From raw maps to detections (detect() of workflow/lib/yolov3/evaluation/postprocess.py).
#pragma once

#include <array>
#include <vector>

#include "model_description.h"
#include "network_io.h"
#include "placement.h"

namespace native310 {

struct PostprocessSettings {
  double score_threshold = 0.001;
  double nms_threshold = 0.5;
  int max_detections = 0;    // per image; 0 for no limit
  bool multi_label = false;  // a prediction is a candidate for every class, instead of its best one
};

struct Detection {
  std::array<float, 4> box_xyxy;  // pixels of the original image, clipped to it
  float score;                    // 0..1
  int label;                      // class index
};

// Decodes, applies the score threshold and class-wise suppression; best first. Throws UserError if an output is NaN.
std::vector<Detection> Detect(const RawMaps& maps, const ModelDescription& model, const Placement& placement,
                              const PostprocessSettings& settings);

}  // namespace native310
