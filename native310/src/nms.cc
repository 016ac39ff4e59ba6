#include "nms.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace native310 {
namespace {

// In double precision, like OpenCV's NMSBoxes, which Python calls.
struct Box {
  double left, top, width, height, right, bottom, area;
};

Box ToBox(const std::array<float, 4>& box_xyxy) {
  const double left = box_xyxy[0];
  const double top = box_xyxy[1];
  const double right = box_xyxy[2];
  const double bottom = box_xyxy[3];
  return {left, top, right - left, bottom - top, right, bottom, (right - left) * (bottom - top)};
}

// Returns the length of the intersection of two intervals, 0 or less if they are disjoint.
double SharedLength(double a, double a_length, double b, double b_length) {
  return a < b ? std::min(a_length - (b - a), b_length) : std::min(b_length - (a - b), a_length);
}

float Overlap(const Box& a, const Box& b) {
  // Two empty boxes count as equal in OpenCV.
  if (a.area + b.area <= std::numeric_limits<double>::epsilon()) return 1.0F;
  const double width = SharedLength(a.left, a.width, b.left, b.width);
  const double height = SharedLength(a.top, a.height, b.top, b.height);
  if (width <= 0 || height <= 0) return 0.0F;
  const double intersection = width * height;
  const double distance = 1.0 - intersection / (a.area + b.area - intersection);
  return 1.0F - static_cast<float>(distance);
}

// A quick check that settles most pairs of boxes with an area.
bool AreDisjoint(const Box& a, const Box& b) {
  return (a.right <= b.left) | (b.right <= a.left) | (a.bottom <= b.top) | (b.bottom <= a.top);
}

}  // namespace

std::vector<Detection> ClassWiseNms(const std::vector<Detection>& candidates, double iou_threshold,
                                    int max_detections) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto better = [&candidates](std::size_t a, std::size_t b) {
    return candidates[a].score != candidates[b].score ? candidates[a].score > candidates[b].score : a < b;
  };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return candidates[a].label != candidates[b].label ? candidates[a].label < candidates[b].label : better(a, b);
  });
  const auto threshold = static_cast<float>(iou_threshold);
  std::vector<std::size_t> kept;
  std::vector<Box> kept_of_class;
  for (std::size_t position = 0; position < order.size(); ++position) {
    const Detection& candidate = candidates[order[position]];
    if (position > 0 && candidate.label != candidates[order[position - 1]].label) kept_of_class.clear();
    if (candidate.score <= 0) continue;
    const Box box = ToBox(candidate.box_xyxy);
    const bool has_area = box.area > std::numeric_limits<double>::epsilon();
    const bool is_new = std::all_of(kept_of_class.begin(), kept_of_class.end(), [&](const Box& other) {
      return (has_area && AreDisjoint(box, other)) || Overlap(box, other) <= threshold;
    });
    if (!is_new) continue;
    kept_of_class.push_back(box);
    kept.push_back(order[position]);
  }
  std::sort(kept.begin(), kept.end(), better);
  if (max_detections > 0 && kept.size() > static_cast<std::size_t>(max_detections)) {
    kept.resize(static_cast<std::size_t>(max_detections));
  }
  std::vector<Detection> detections;
  detections.reserve(kept.size());
  for (const std::size_t index : kept) detections.push_back(candidates[index]);
  return detections;
}

}  // namespace native310
