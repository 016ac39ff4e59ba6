// Runs the network over all images, reading ahead and writing behind.
#pragma once

#include "args.h"

namespace native310 {

// Throws UserError on any failure; detections.json and benchmark.json do not exist then.
void RunPipeline(const Args& args);

}  // namespace native310
