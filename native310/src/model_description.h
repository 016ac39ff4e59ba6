// What the program must know about a network besides the model file: <model file>.json (format in README.md).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "coco_id.h"
#include "network_io.h"
#include "normalise.h"

namespace native310 {

class JsonObject;

struct ModelDescription {
  InputSize input_size;
  std::array<std::array<double, 2>, 9> anchors_wh{};  // pixels of the input; three for each of the strides 8, 16, 32
  std::vector<std::string> class_names;
  std::vector<CocoId> category_ids;  // COCO category of each class
  bool letterbox = false;            // for JPEG input
  MeanStd mean_std;

  int values_per_anchor() const { return 5 + static_cast<int>(category_ids.size()); }
};

// Reads <model_path>.json. Throws UserError if it is missing or invalid.
ModelDescription ReadModelDescription(const std::string& model_path);

// Read "input_size" ([height, width]), and "mean_rgb" with "std_rgb", of a model description or an index of bins.
InputSize ReadInputSize(const JsonObject& json);
MeanStd ReadMeanStd(const JsonObject& json);

}  // namespace native310
