// Loads the module of an engine and creates the engine.
#pragma once

#include <memory>
#include <string>

#include "engine.h"

namespace native310 {

// Throws UserError if the engine was not built, its libraries are missing, or it cannot use the model or the device.
std::unique_ptr<Engine> LoadEngine(const std::string& name, const EngineOptions& options);

}  // namespace native310
