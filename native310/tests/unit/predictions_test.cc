#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "postprocess.h"
#include "raw_maps.h"

namespace {

using native310::Layout;
using native310::ModelDescription;
using native310::OutputView;
using native310::Predictions;
using native310::RawMaps;
using native310::RawMapViews;

constexpr int kDepth = 21;  // of two classes
constexpr std::array<int, 3> kCells = {8 * 12, 4 * 6, 2 * 3};

ModelDescription Description() {
  ModelDescription model;
  model.input_size = {64, 96};
  model.category_ids = {{"1"}, {"2"}};
  model.anchors_wh.fill({10, 20});
  return model;
}

// The outputs of a batch of two images: the value of image, map, channel and cell depends on all four.
struct Outputs {
  explicit Outputs(Layout layout) {
    for (std::size_t map = 0; map < kCells.size(); ++map) {
      values[map].resize(static_cast<std::size_t>(2 * kDepth * kCells[map]));
      for (int image = 0; image < 2; ++image) {
        for (int channel = 0; channel < kDepth; ++channel) {
          for (int cell = 0; cell < kCells[map]; ++cell) {
            const int place = layout == Layout::kNchw ? channel * kCells[map] + cell : cell * kDepth + channel;
            values[map][static_cast<std::size_t>(image * kDepth * kCells[map] + place)] = static_cast<float>(
                std::sin(1000.0 * image + 7.0 * static_cast<double>(map) + 1.7 * channel + 0.1 * cell));
          }
        }
      }
    }
    const auto view = [&](std::size_t map, std::int64_t rows, std::int64_t columns) {
      using Shape = std::vector<std::int64_t>;
      views.push_back({layout == Layout::kNchw ? Shape{2, kDepth, rows, columns} : Shape{2, rows, columns, kDepth},
                       layout, values[map].data()});
    };
    view(1, 4, 6);
    view(2, 2, 3);
    view(0, 8, 12);
  }

  RawMapViews Find(std::size_t image) const { return FindRawMaps(views, "model", Description(), 2, image); }

  std::array<std::vector<float>, 3> values;
  std::vector<OutputView> views;
};

Predictions Select(const RawMapViews& maps, double threshold) {
  Predictions predictions;
  SelectPredictions(maps, Description(), threshold, &predictions);
  return predictions;
}

}  // namespace

TEST(BothLayoutsGiveTheSameRawMapsAndPredictions) {
  const Outputs nchw(Layout::kNchw);
  const Outputs nhwc(Layout::kNhwc);
  for (std::size_t image = 0; image < 2; ++image) {
    RawMaps from_nchw;
    RawMaps from_nhwc;
    CopyRawMaps(nchw.Find(image), Description(), &from_nchw);
    CopyRawMaps(nhwc.Find(image), Description(), &from_nhwc);
    for (std::size_t map = 0; map < from_nchw.size(); ++map) CHECK(from_nchw[map].values == from_nhwc[map].values);
    const Predictions predictions = Select(nchw.Find(image), 0.6);
    CHECK(predictions.values == Select(nhwc.Find(image), 0.6).values);
    CHECK(predictions.places.size() > 10);
    const std::size_t values = kDepth / 3;
    CHECK(predictions.values.size() == predictions.places.size() * values);
    for (std::size_t index = 0; index < predictions.places.size(); ++index) {
      const Predictions::Place& place = predictions.places[index];
      const auto cells = static_cast<std::size_t>(kCells[place.stride]);
      for (std::size_t value = 0; value < values; ++value) {
        CHECK(predictions.values[index * values + value] ==
              from_nchw[place.stride].values[(place.anchor * values + value) * cells + place.cell]);
      }
    }
  }
}

TEST(TheThresholdSelectsAndZeroSelectsAll) {
  const Outputs outputs(Layout::kNchw);
  const std::size_t all = 3 * (8 * 12 + 4 * 6 + 2 * 3);
  CHECK(Select(outputs.Find(0), 0).places.size() == all);
  CHECK(Select(outputs.Find(0), 1).places.empty());
  const std::size_t half = Select(outputs.Find(0), 0.5).places.size();
  CHECK(half > 0 && half < all);
}

TEST(AConfidenceThatIsNotANumberIsReported) {
  Outputs outputs(Layout::kNchw);
  outputs.values[2][4 * static_cast<std::size_t>(kCells[2])] = std::numeric_limits<float>::quiet_NaN();
  const Predictions predictions = Select(outputs.Find(0), 1);
  const std::string error = testing::MessageOf([&] { Detect(predictions, Description(), {}, {}); });
  CHECK(error.find("not a number") != std::string::npos);
}
