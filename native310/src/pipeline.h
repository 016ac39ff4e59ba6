// A run over all images: reads ahead and writes behind while the network runs.
#pragma once

#include "args.h"

namespace native310 {

// Throws UserError if anything is wrong; results are then not under their final names.
void RunPipeline(const Args& args);

}  // namespace native310
