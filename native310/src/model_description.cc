#include "model_description.h"

#include "json_reader.h"

namespace native310 {

InputSize ReadInputSize(const JsonObject& json) {
  const auto height_width = json.Get<std::array<int, 2>>("input_size");
  return {height_width[0], height_width[1]};
}

MeanStd ReadMeanStd(const JsonObject& json) {
  const MeanStd imagenet;
  return {json.Get("mean_rgb", imagenet.mean_rgb), json.Get("std_rgb", imagenet.std_rgb)};
}

ModelDescription ReadModelDescription(const std::string& model_path) {
  const JsonFile file = {"model description", model_path + ".json", "export the model again"};
  const JsonObject json = ReadJson(
      file, {"format", "input_size", "anchors", "class_names", "category_ids", "letterbox", "mean_rgb", "std_rgb"});
  json.Require(json.Get<std::int64_t>("format") == 1, "format", "1");
  ModelDescription model;
  model.input_size = ReadInputSize(json);
  model.anchors_wh = json.Get<decltype(model.anchors_wh)>("anchors");
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
