#include "model_description.h"

#include "json_fields.h"
#include "json_reader.h"
#include "user_error.h"

namespace native310 {

ModelDescription ReadModelDescription(const std::string& model_path) {
  const std::string path = model_path + ".json";
  JsonReader json(path, "model description");
  ModelDescription model;
  std::int64_t format = 0;
  std::size_t anchors = 0;
  json.Object([&](const std::string& key) {
    if (key == "format") {
      format = json.Integer();
    } else if (key == "input_size") {
      model.input_size = ReadInputSize(&json);
    } else if (key == "anchors") {
      json.Array([&] {
        const auto anchor_wh = ReadNumbers<double, 2>(&json);
        if (anchors < model.anchors_wh.size()) model.anchors_wh[anchors] = anchor_wh;
        ++anchors;
      });
    } else if (key == "class_names") {
      json.Array([&] { model.class_names.push_back(json.String()); });
    } else if (key == "category_ids") {
      json.Array([&] { model.category_ids.push_back(json.Integer()); });
    } else if (key == "letterbox") {
      model.letterbox = json.Boolean();
    } else if (key == "mean_rgb") {
      model.mean_std.mean_rgb = ReadNumbers<float, 3>(&json);
    } else if (key == "std_rgb") {
      model.mean_std.std_rgb = ReadNumbers<float, 3>(&json);
    } else {
      json.Skip();
    }
  });
  json.End();
  const auto refuse = [&path](const std::string& problem) {
    throw UserError("model description " + path + " " + problem + ": export the model again");
  };
  if (format != 1) refuse("is not of format 1");
  if (model.input_size.height < 1) refuse("lacks input_size");
  if (anchors != model.anchors_wh.size()) refuse("has " + std::to_string(anchors) + " anchors, not 9");
  if (model.class_names.empty()) refuse("names no class");
  if (model.class_names.size() != model.category_ids.size()) {
    refuse("has " + std::to_string(model.class_names.size()) + " class_names but " +
           std::to_string(model.category_ids.size()) + " category_ids");
  }
  return model;
}

}  // namespace native310
