#include "postprocess.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "nms.h"
#include "user_error.h"

namespace native310 {
namespace {

// All arithmetic is in single precision and in the order of postprocess.py, so that both give the same boxes.
float Sigmoid(float x) {
  // 1 / (1 + exp(-x)) as exp(-log(1 + exp(-x))), without overflow.
  const float log_sum = x < 0 ? -x + std::log1p(std::exp(x)) : std::log1p(std::exp(-x));
  return std::exp(-log_sum);
}

// Returns the smallest logit whose sigmoid reaches `threshold`. A score is at most its confidence, so this rules out
// most predictions by one comparison.
double MinLogit(double threshold) {
  if (threshold <= 0) return -std::numeric_limits<double>::infinity();
  if (threshold >= 1) return std::numeric_limits<double>::infinity();
  return std::log(threshold / (1 - threshold));
}

void RequireNumber(float value) {
  if (std::isnan(value)) throw UserError("the network's output is not a number (NaN)");
}

class BoxDecoder {
 public:
  BoxDecoder(const ModelDescription& model, const Placement& placement)
      : model_(model),
        offset_xy_{static_cast<float>(placement.offset_xy[0]), static_cast<float>(placement.offset_xy[1])},
        scale_xy_{static_cast<float>(placement.width / placement.share_xy[0]),
                  static_cast<float>(placement.height / placement.share_xy[1])},
        limit_xy_{static_cast<float>(placement.width), static_cast<float>(placement.height)} {}

  // `txywh` points to tx in a raw map; the other values follow at intervals of `cells`.
  std::array<float, 4> Decode(const float* txywh, std::size_t cells, const RawMap& map, std::size_t cell,
                              std::size_t anchor) const {
    const auto columns = static_cast<std::size_t>(map.width);
    const std::array<float, 2> cell_xy = {static_cast<float>(cell % columns), static_cast<float>(cell / columns)};
    const std::array<float, 2> grid_wh = {static_cast<float>(map.width), static_cast<float>(map.height)};
    const std::array<int, 2> input_wh = {model_.input_size.width, model_.input_size.height};
    std::array<float, 4> box_xyxy{};
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const float center = (Sigmoid(txywh[axis * cells]) + cell_xy[axis]) / grid_wh[axis];
      const auto anchor_share = static_cast<float>(model_.anchors_wh[anchor][axis] / input_wh[axis]);
      const float half = std::exp(txywh[(axis + 2) * cells]) * anchor_share / 2;
      box_xyxy[axis] = ToOriginal(center - half, axis);
      box_xyxy[axis + 2] = ToOriginal(center + half, axis);
    }
    return box_xyxy;
  }

 private:
  float ToOriginal(float share, std::size_t axis) const {
    return std::min(std::max((share - offset_xy_[axis]) * scale_xy_[axis], 0.0F), limit_xy_[axis]);
  }

  const ModelDescription& model_;
  std::array<float, 2> offset_xy_;
  std::array<float, 2> scale_xy_;
  std::array<float, 2> limit_xy_;
};

}  // namespace

std::vector<Detection> Detect(const RawMaps& maps, const ModelDescription& model, const Placement& placement,
                              const PostprocessSettings& settings) {
  const auto min_logit = static_cast<float>(MinLogit(settings.score_threshold));
  const auto min_score = static_cast<float>(settings.score_threshold);
  const auto values = static_cast<std::size_t>(model.values_per_anchor());
  const BoxDecoder decoder(model, placement);
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
        std::size_t best = 5;
        for (std::size_t value = 6; value < values; ++value) {
          if (planes[value * cells + cell] > planes[best * cells + cell]) best = value;
        }
        const float score = Sigmoid(confidence_logit) * Sigmoid(planes[best * cells + cell]);
        RequireNumber(score);
        if (!(score >= min_score)) continue;
        const std::array<float, 4> box_xyxy =
            decoder.Decode(planes + cell, cells, map, cell, stride * kAnchorsPerStride + anchor);
        std::for_each(box_xyxy.begin(), box_xyxy.end(), RequireNumber);
        candidates.push_back({box_xyxy, score, static_cast<int>(best - 5)});
      }
    }
  }
  return ClassWiseNms(candidates, settings.nms_threshold, settings.max_detections);
}

}  // namespace native310
