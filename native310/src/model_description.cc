#include "model_description.h"

#include "json_reader.h"

namespace native310 {
namespace {

bool IsAnchorSide(double pixels) {
  constexpr double kMinPixels = 0.01;
  // As in the config (network.anchor_scales).
  constexpr double kMaxPixels = 4096;
  return pixels >= kMinPixels && pixels <= kMaxPixels;
}

}  // namespace

InputSize ReadInputSize(const JsonObject& json) {
  const auto height_width = json.Get<std::array<int, 2>>("input_size");
  return {height_width[0], height_width[1]};
}

MeanStd ReadMeanStd(const JsonObject& json) {
  // Of values in 0..1, whose deviation is at most 0.5; 1 leaves them as they are.
  constexpr float kMinStd = 0.001F;
  const MeanStd imagenet;
  const MeanStd mean_std = {json.Get("mean_rgb", imagenet.mean_rgb), json.Get("std_rgb", imagenet.std_rgb)};
  for (std::size_t channel = 0; channel < kImageChannels; ++channel) {
    json.Require(mean_std.mean_rgb[channel] >= 0 && mean_std.mean_rgb[channel] <= 1, "mean_rgb",
                 "three numbers from 0 to 1");
    json.Require(mean_std.std_rgb[channel] >= kMinStd && mean_std.std_rgb[channel] <= 1, "std_rgb",
                 "three numbers from 0.001 to 1");
  }
  return mean_std;
}

ModelDescription ReadModelDescription(const std::string& model_path) {
  const JsonFile file = {"model description", model_path + ".json", "export the model again"};
  const JsonObject json = ReadJson(
      file, {"format", "input_size", "anchors", "class_names", "category_ids", "letterbox", "mean_rgb", "std_rgb"});
  json.Require(json.Get<std::int64_t>("format") == 1, "format", "1");
  ModelDescription model;
  model.input_size = ReadInputSize(json);
  model.anchors_wh = json.Get<decltype(model.anchors_wh)>("anchors");
  for (const auto& [width, height] : model.anchors_wh) {
    json.Require(IsAnchorSide(width) && IsAnchorSide(height), "anchors", "nine pairs of lengths from 0.01 to 4096");
  }
  model.class_names = json.Get<std::vector<std::string>>("class_names");
  model.category_ids = json.Get<std::vector<CocoId>>("category_ids");
  model.letterbox = json.Get("letterbox", model.letterbox);
  model.mean_std = ReadMeanStd(json);
  json.Require(!model.class_names.empty(), "class_names", "at least one name");
  json.Require(model.category_ids.size() == model.class_names.size(), "category_ids",
               "one for each of the " + std::to_string(model.class_names.size()) + " class_names");
  return model;
}

}  // namespace native310
