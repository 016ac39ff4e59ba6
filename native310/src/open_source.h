// Opens --input, whatever kind it is.
#pragma once

#include <memory>
#include <string>

#include "image_source.h"
#include "model_description.h"

namespace native310 {

// A folder with index.json holds bins; any other folder, a .txt list and a single file are read as JPEG files. Throws
// UserError if there is nothing to read.
std::unique_ptr<ImageSource> OpenSource(const std::string& input, const std::string& annotations,
                                        const ModelDescription& model);

}  // namespace native310
