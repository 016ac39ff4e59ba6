#include "nms.h"

#include "check.h"

namespace {

using native310::ClassWiseNms;
using native310::Detection;

}  // namespace

TEST(AnIouEqualToTheThresholdIsKept) {
  // Two boxes of 2 x 1 that share 4/3 x 1: IoU = (4/3) / (8/3) = 0.5, which is not above 0.5.
  const std::vector<Detection> boxes = {{{0, 0, 6, 3}, 0.9F, 0}, {{2, 0, 8, 3}, 0.8F, 0}};
  CHECK(ClassWiseNms(boxes, 0.5, 0).size() == 2);
  CHECK(ClassWiseNms(boxes, 0.49, 0).size() == 1);
}

TEST(ClassesDoNotSuppressEachOther) {
  const std::vector<Detection> boxes = {{{0, 0, 4, 4}, 0.5F, 1}, {{0, 0, 4, 4}, 0.9F, 0}, {{0, 0, 4, 4}, 0.4F, 1}};
  const std::vector<Detection> kept = ClassWiseNms(boxes, 0.5, 0);
  CHECK(kept.size() == 2);
  CHECK(kept[0].label == 0 && kept[1].label == 1 && kept[1].score == 0.5F);
}

TEST(OfEqualScoresTheEarlierWins) {
  const std::vector<Detection> boxes = {{{1, 0, 5, 4}, 0.5F, 0}, {{0, 0, 4, 4}, 0.5F, 0}};
  const std::vector<Detection> kept = ClassWiseNms(boxes, 0.5, 0);
  CHECK(kept.size() == 1 && kept[0].box_xyxy[0] == 1);
}

TEST(ASuppressedBoxSuppressesNothing) {
  const std::vector<Detection> boxes = {{{0, 0, 10, 4}, 0.9F, 0}, {{3, 0, 13, 4}, 0.8F, 0}, {{6, 0, 16, 4}, 0.7F, 0}};
  const std::vector<Detection> kept = ClassWiseNms(boxes, 0.5, 0);
  CHECK(kept.size() == 2 && kept[1].score == 0.7F);
}

TEST(TheBestDetectionsAreKept) {
  const std::vector<Detection> boxes = {{{0, 0, 1, 1}, 0.1F, 0}, {{5, 5, 6, 6}, 0.9F, 0}, {{8, 8, 9, 9}, 0.5F, 1}};
  const std::vector<Detection> kept = ClassWiseNms(boxes, 0.5, 2);
  CHECK(kept.size() == 2 && kept[0].score == 0.9F && kept[1].score == 0.5F);
  CHECK(ClassWiseNms({}, 0.5, 2).empty());
}
