// Finds the module of an engine and makes the engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"

namespace native310 {

// Names of the engines whose modules lie beside the program.
std::vector<std::string> BuiltEngines();

// Throws UserError if the engine was not built, its libraries are missing, or it refuses the model or the device.
std::unique_ptr<Engine> LoadEngine(const std::string& name, const EngineOptions& options);

}  // namespace native310
