// From raw maps to detections (detect() of workflow/lib/yolov3/postprocess.py).
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
  int max_detections = 0;  // an image; 0 keeps all
};

struct Detection {
  std::array<float, 4> box_xyxy;  // pixels of the original image, clipped to it
  float score;                    // 0..1
  int label;                      // class index
};

// Decodes, thresholds, suppresses class by class; best first. Throws UserError if the output is not a number.
std::vector<Detection> Detect(const RawMaps& maps, const ModelDescription& model, const Placement& placement,
                              const PostprocessSettings& settings);

}  // namespace native310
