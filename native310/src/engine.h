// The interface of an inference engine. Each engine is a module of its own (libnative310_engine_<name>.so), so that the
// vendors' libraries never share a process's symbols, and so that a missing SDK costs one engine only.
#pragma once

#include <string>
#include <vector>

#include "network_io.h"

namespace native310 {

struct EngineOptions {
  std::string model_path;
  std::string device;  // cpu or ascend
  int device_id = 0;
  int threads = 1;
  std::string precision = "float32";  // or bfloat16, of floating-point operations
};

class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual const InputSpec& input() const = 0;

  // Runs the network once. `input` holds input().Bytes() bytes. Throws UserError when the engine reports a failure.
  virtual std::vector<OutputView> Run(const void* input) = 0;

  // Frees what the engine holds and throws UserError where that fails; destructors cannot tell.
  virtual void Close() {}
};

}  // namespace native310

// What a module exports; throws UserError if the model or the device is no good. The caller owns the engine.
extern "C" __attribute__((visibility("default"))) native310::Engine* CreateNative310Engine(
    const native310::EngineOptions& options);
