#include "nms.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace native310 {
namespace {

struct BoxXywh {
  double x, y, width, height;
};

BoxXywh ToXywh(const std::array<float, 4>& box_xyxy) {
  return {box_xyxy[0], box_xyxy[1], static_cast<double>(box_xyxy[2]) - static_cast<double>(box_xyxy[0]),
          static_cast<double>(box_xyxy[3]) - static_cast<double>(box_xyxy[1])};
}

// In the precision of OpenCV's NMSBoxes, which the Python side calls; two empty boxes count as equal there.
float Overlap(const BoxXywh& a, const BoxXywh& b) {
  const double area_a = a.width * a.height;
  const double area_b = b.width * b.height;
  if (area_a + area_b <= std::numeric_limits<double>::epsilon()) return 1.0F;
  const auto common = [](double first, double first_length, double second, double second_length) {
    const double low_length = first < second ? first_length : second_length;
    const double high_length = first < second ? second_length : first_length;
    const double distance = first < second ? second - first : first - second;
    return std::min(low_length - distance, high_length);
  };
  const double width = common(a.x, a.width, b.x, b.width);
  const double height = common(a.y, a.height, b.y, b.height);
  const double intersection = width > 0 && height > 0 ? width * height : 0;
  const double distance = 1.0 - intersection / (area_a + area_b - intersection);
  return 1.0F - static_cast<float>(distance);
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
  std::vector<BoxXywh> kept_of_class;
  for (std::size_t position = 0; position < order.size(); ++position) {
    const Detection& candidate = candidates[order[position]];
    if (position > 0 && candidate.label != candidates[order[position - 1]].label) kept_of_class.clear();
    if (candidate.score <= 0) continue;
    const BoxXywh box = ToXywh(candidate.box_xyxy);
    const bool is_new = std::all_of(kept_of_class.begin(), kept_of_class.end(),
                                    [&](const BoxXywh& other) { return Overlap(box, other) <= threshold; });
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
