#include "postprocess.h"

#include <algorithm>
#include <cmath>

#include "nms.h"
#include "user_error.h"

namespace native310 {
namespace {

// Places among the values of a prediction.
constexpr std::size_t kConfidence = 4;
constexpr std::size_t kFirstClass = 5;

// All arithmetic is in the order of postprocess.py and in single precision, except for exp: its last digit in single
// precision differs between libraries, so both compute it in double precision and round. This gives the same boxes.
float Exp(float x) { return static_cast<float>(std::exp(static_cast<double>(x))); }

float Sigmoid(float x) { return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(x)))); }

void RequireNumber(float value) {
  if (std::isnan(value)) throw UserError("the network's output is not a number (NaN)");
}

// `txywh` are the first four values of a prediction.
std::array<float, 4> DecodeBox(const float* txywh, const Predictions::Place& place, const ModelDescription& model,
                               const Placement& placement) {
  const std::array<int, 2> input_wh = {model.input_size.width, model.input_size.height};
  const std::array<int, 2> grid_wh = {input_wh[0] / kStrides[place.stride], input_wh[1] / kStrides[place.stride]};
  const auto columns = static_cast<std::size_t>(grid_wh[0]);
  const std::array<std::size_t, 2> cell_xy = {place.cell % columns, place.cell / columns};
  const std::array<double, 2>& anchor_wh = model.anchors_wh[place.stride * kAnchorsPerStride + place.anchor];
  const std::array<int, 2> original_wh = {placement.width, placement.height};
  std::array<float, 4> box_xyxy{};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const auto offset = static_cast<float>(placement.offset_xy[axis]);
    const auto scale = static_cast<float>(original_wh[axis] / placement.share_xy[axis]);
    const auto to_original = [&](float share) {
      return std::clamp((share - offset) * scale, 0.0F, static_cast<float>(original_wh[axis]));
    };
    const float center = (Sigmoid(txywh[axis]) + static_cast<float>(cell_xy[axis])) / static_cast<float>(grid_wh[axis]);
    const auto anchor_share = static_cast<float>(anchor_wh[axis] / input_wh[axis]);
    const float half = Exp(txywh[axis + 2]) * anchor_share / 2;
    box_xyxy[axis] = to_original(center - half);
    box_xyxy[axis + 2] = to_original(center + half);
  }
  return box_xyxy;
}

}  // namespace

void SelectPredictions(const RawMapViews& maps, const ModelDescription& model, double score_threshold,
                       Predictions* predictions) {
  // The smallest logit whose sigmoid reaches the threshold, infinite for 0 and 1. A score is at most its confidence, so
  // this rules out most predictions by one comparison.
  const auto min_logit = static_cast<float>(std::log(score_threshold / (1 - score_threshold)));
  const auto values = static_cast<std::size_t>(model.values_per_anchor());
  predictions->places.clear();
  predictions->values.clear();
  for (std::size_t stride = 0; stride < maps.size(); ++stride) {
    const RawMapView& map = maps[stride];
    for (std::size_t anchor = 0; anchor < kAnchorsPerStride; ++anchor) {
      for (std::size_t cell = 0; cell < map.cells(); ++cell) {
        const float* source = map.values + anchor * values * map.channel_step + cell * map.cell_step;
        if (source[kConfidence * map.channel_step] < min_logit) continue;
        predictions->places.push_back({stride, anchor, cell});
        predictions->values.resize(predictions->values.size() + values);
        float* target = predictions->values.data() + predictions->values.size() - values;
        for (std::size_t value = 0; value < values; ++value) target[value] = source[value * map.channel_step];
      }
    }
  }
}

std::vector<Detection> Detect(const Predictions& predictions, const ModelDescription& model, const Placement& placement,
                              const PostprocessSettings& settings) {
  const auto min_score = static_cast<float>(settings.score_threshold);
  const auto values = static_cast<std::size_t>(model.values_per_anchor());
  std::vector<Detection> candidates;
  const float* prediction = predictions.values.data();
  for (const Predictions::Place& place : predictions.places) {
    RequireNumber(prediction[kConfidence]);
    const float confidence = Sigmoid(prediction[kConfidence]);
    std::array<float, 4> box_xyxy{};
    bool is_decoded = false;
    const auto consider = [&](std::size_t value) {
      const float score = confidence * Sigmoid(prediction[value]);
      RequireNumber(score);
      if (!(score >= min_score)) return;
      if (!is_decoded) {
        box_xyxy = DecodeBox(prediction, place, model, placement);
        std::for_each(box_xyxy.begin(), box_xyxy.end(), RequireNumber);
        is_decoded = true;
      }
      candidates.push_back({box_xyxy, score, static_cast<int>(value - kFirstClass)});
    };
    if (settings.multi_label) {
      for (std::size_t value = kFirstClass; value < values; ++value) consider(value);
    } else {
      std::for_each(prediction + kFirstClass, prediction + values, RequireNumber);
      const float* best = std::max_element(prediction + kFirstClass, prediction + values);
      consider(static_cast<std::size_t>(best - prediction));
    }
    prediction += values;
  }
  return ClassWiseNms(candidates, settings.nms_threshold, settings.max_detections);
}

}  // namespace native310
