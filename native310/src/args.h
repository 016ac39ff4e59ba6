// The command line.
#pragma once

#include <string>

#include "engine.h"
#include "postprocess.h"

namespace native310 {

struct Args {
  bool help = false;
  std::string engine = "lite";
  EngineOptions engine_options;
  std::string input;
  std::string annotations;
  std::string output;
  int warmup = 3;
  bool writes_raw = false;
  PostprocessSettings postprocess;
};

// Throws UsageError if the arguments are invalid.
Args ParseArgs(int argc, const char* const* argv);

std::string Usage();

}  // namespace native310
