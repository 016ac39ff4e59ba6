#include "postprocess.h"

#include <algorithm>
#include <cmath>

#include "nms.h"
#include "user_error.h"

namespace native310 {
namespace {

// All arithmetic is in the order of postprocess.py and in single precision, except for exp: its last digit in single
// precision differs between libraries, so both compute it in double precision and round. This gives the same boxes.
float Exp(float x) { return static_cast<float>(std::exp(static_cast<double>(x))); }

float Sigmoid(float x) { return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(x)))); }

void RequireNumber(float value) {
  if (std::isnan(value)) throw UserError("the network's output is not a number (NaN)");
}

// `txywh` points to tx in a raw map; the other values follow at intervals of `cells`.
std::array<float, 4> DecodeBox(const float* txywh, std::size_t cells, const RawMap& map, std::size_t cell,
                               const std::array<double, 2>& anchor_wh, const InputSize& input_size,
                               const Placement& placement) {
  const auto columns = static_cast<std::size_t>(map.width);
  const std::array<std::size_t, 2> cell_xy = {cell % columns, cell / columns};
  const std::array<int, 2> grid_wh = {map.width, map.height};
  const std::array<int, 2> input_wh = {input_size.width, input_size.height};
  const std::array<int, 2> original_wh = {placement.width, placement.height};
  std::array<float, 4> box_xyxy{};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const auto offset = static_cast<float>(placement.offset_xy[axis]);
    const auto scale = static_cast<float>(original_wh[axis] / placement.share_xy[axis]);
    const auto to_original = [&](float share) {
      return std::clamp((share - offset) * scale, 0.0F, static_cast<float>(original_wh[axis]));
    };
    const float center =
        (Sigmoid(txywh[axis * cells]) + static_cast<float>(cell_xy[axis])) / static_cast<float>(grid_wh[axis]);
    const auto anchor_share = static_cast<float>(anchor_wh[axis] / input_wh[axis]);
    const float half = Exp(txywh[(axis + 2) * cells]) * anchor_share / 2;
    box_xyxy[axis] = to_original(center - half);
    box_xyxy[axis + 2] = to_original(center + half);
  }
  return box_xyxy;
}

}  // namespace

std::vector<Detection> Detect(const RawMaps& maps, const ModelDescription& model, const Placement& placement,
                              const PostprocessSettings& settings) {
  // The smallest logit whose sigmoid reaches the threshold, infinite for 0 and 1. A score is at most its confidence, so
  // this rules out most predictions by one comparison.
  const auto min_logit = static_cast<float>(std::log(settings.score_threshold / (1 - settings.score_threshold)));
  const auto min_score = static_cast<float>(settings.score_threshold);
  const auto values = static_cast<std::size_t>(model.values_per_anchor());
  std::vector<Detection> candidates;
  for (std::size_t stride = 0; stride < maps.size(); ++stride) {
    const RawMap& map = maps[stride];
    const std::size_t cells = static_cast<std::size_t>(map.height) * static_cast<std::size_t>(map.width);
    for (std::size_t anchor = 0; anchor < kAnchorsPerStride; ++anchor) {
      const float* planes = map.values.data() + anchor * values * cells;
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const float confidence_logit = planes[4 * cells + cell];
        RequireNumber(confidence_logit);
        if (!(confidence_logit >= min_logit)) continue;
        const float confidence = Sigmoid(confidence_logit);
        std::array<float, 4> box_xyxy{};
        bool is_decoded = false;
        const auto consider = [&](std::size_t value) {
          const float score = confidence * Sigmoid(planes[value * cells + cell]);
          RequireNumber(score);
          if (!(score >= min_score)) return;
          if (!is_decoded) {
            box_xyxy = DecodeBox(planes + cell, cells, map, cell, model.anchors_wh[stride * kAnchorsPerStride + anchor],
                                 model.input_size, placement);
            std::for_each(box_xyxy.begin(), box_xyxy.end(), RequireNumber);
            is_decoded = true;
          }
          candidates.push_back({box_xyxy, score, static_cast<int>(value - 5)});
        };
        if (settings.multi_label) {
          for (std::size_t value = 5; value < values; ++value) consider(value);
          continue;
        }
        std::size_t best = 5;
        for (std::size_t value = 5; value < values; ++value) {
          RequireNumber(planes[value * cells + cell]);
          if (planes[value * cells + cell] > planes[best * cells + cell]) best = value;
        }
        consider(best);
      }
    }
  }
  return ClassWiseNms(candidates, settings.nms_threshold, settings.max_detections);
}

}  // namespace native310
