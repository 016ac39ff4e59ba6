// The interface of an inference engine. Each engine is a module of its own (libnative310_engine_<name>.so), so that the
// symbols of the vendors' libraries never clash and a missing SDK disables only its own engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jpeg_decoder.h"
#include "network_io.h"

namespace native310 {

struct EngineOptions {
  std::string model_path;
  std::string device;  // cpu or ascend
  int device_id = 0;
  int threads = 1;
  std::string precision = "float32";  // of floating-point operations; or bfloat16
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual const InputSpec& input() const = 0;

  // Runs the network once. `input` holds input().Bytes() bytes. Throws UserError if the engine fails.
  virtual std::vector<OutputView> Run(const void* input) = 0;

  // Prepares the device to decode JPEG files into the network's input. Returns nullptr if it cannot or the network
  // takes RGB images; else the decoder, which the engine owns. Throws UserError if the device fails.
  virtual JpegDecoder* OpenJpegDecoder() { return nullptr; }

  // Releases the resources of the engine. Throws UserError if that fails, which a destructor could not report.
  virtual void Close() {}
};

// Loads the module of an engine and creates the engine. Throws UserError if the engine was not built, its libraries are
// missing, or it cannot use the model or the device.
std::unique_ptr<Engine> LoadEngine(const std::string& name, const EngineOptions& options);

}  // namespace native310

// Exported by every module. Throws UserError if the model or the device cannot be used. The caller owns the engine.
extern "C" __attribute__((visibility("default"))) native310::Engine* CreateNative310Engine(
    const native310::EngineOptions& options);
