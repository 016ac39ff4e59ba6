// Finds the raw maps of the strides 8, 16 and 32 in the outputs of an engine, in any order and layout.
#pragma once

#include <string>
#include <vector>

#include "model_description.h"

namespace native310 {

// Returns the raw maps of image `position` of the batch. Throws UserError, which names the model by `model_path`, if
// the outputs do not hold them.
RawMapViews FindRawMaps(const std::vector<OutputView>& outputs, const std::string& model_path,
                        const ModelDescription& model, int batch, std::size_t position);

void CopyRawMaps(const RawMapViews& views, const ModelDescription& model, RawMaps* maps);

}  // namespace native310
