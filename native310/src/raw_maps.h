// Converts the outputs of an engine, in any order and layout, to raw maps of the strides 8, 16 and 32.
#pragma once

#include <string>
#include <vector>

#include "network_io.h"

namespace native310 {

class RawMapCollector {
 public:
  // `channels` is 3 * (5 + classes); `model` names the model in errors.
  RawMapCollector(std::string model, const InputSpec& spec, int channels);

  // Copies image `position` of the batch to `maps`. Throws UserError if the outputs are not the three raw maps.
  void Collect(const std::vector<OutputView>& outputs, int position, RawMaps* maps) const;

 private:
  struct Match {
    const OutputView* output;
    Layout layout;
  };

  Match Find(const std::vector<OutputView>& outputs, int height, int width) const;

  std::string model_;
  InputSpec spec_;
  int channels_;
};

}  // namespace native310
