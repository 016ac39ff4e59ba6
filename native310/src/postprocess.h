// From raw maps to detections, in two steps (detect() of workflow/lib/yolov3/evaluation/postprocess.py).
#pragma once

#include <array>
#include <cstddef>
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

// Predictions of one image whose confidence is high enough for a detection.
struct Predictions {
  struct Place {
    std::size_t stride;  // index of its stride
    std::size_t anchor;  // index among those of the stride
    std::size_t cell;    // counted by rows
  };

  std::vector<Place> places;
  std::vector<float> values;  // [prediction][5 + classes]: tx, ty, tw, th, confidence and class logits
};

struct Detection {
  std::array<float, 4> box_xyxy;  // pixels of the original image, clipped to it
  float score;                    // 0..1
  int label;                      // class index
};

// Copies the predictions that can reach the score threshold, mostly a few of many, and those whose confidence is NaN.
// Their order is that of strides, anchors and cells. The memory of `predictions` is reused.
void SelectPredictions(const RawMapViews& maps, const ModelDescription& model, double score_threshold,
                       Predictions* predictions);

// Decodes, applies the score threshold and class-wise suppression; best first. Throws UserError if a value is NaN.
std::vector<Detection> Detect(const Predictions& predictions, const ModelDescription& model, const Placement& placement,
                              const PostprocessSettings& settings);

}  // namespace native310
