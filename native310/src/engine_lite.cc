// Engine lite: MindSpore Lite on the CPU or on Ascend. Reads .ms (input NHWC) and .mindir (input NCHW).
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine.h"
#include "include/api/context.h"
#include "include/api/model.h"
#include "include/api/status.h"
#include "include/api/types.h"
#include "model_file.h"
#include "user_error.h"

namespace native310 {
namespace {

namespace ms = mindspore;

std::shared_ptr<ms::Context> MakeContext(const EngineOptions& options) {
  auto context = std::make_shared<ms::Context>();
  context->SetThreadNum(options.threads);
  if (options.device == "ascend") {
    auto ascend = std::make_shared<ms::AscendDeviceInfo>();
    ascend->SetDeviceID(static_cast<std::uint32_t>(options.device_id));
    context->MutableDeviceInfo().push_back(ascend);
  }
  // On Ascend, too, where unsupported operators run on the CPU.
  context->MutableDeviceInfo().push_back(std::make_shared<ms::CPUDeviceInfo>());
  return context;
}

Layout LayoutOf(const ms::MSTensor& tensor) {
  return tensor.format() == ms::Format::NHWC ? Layout::kNhwc : Layout::kNchw;
}

class LiteEngine : public Engine {
 public:
  explicit LiteEngine(const EngineOptions& options) : path_(options.model_path) {
    const ModelFile file = CheckModelFile(path_, "lite", {".ms", ".mindir"},
                                          "convert an ONNX file with mslite_convert, or use --engine openvino for it");
    const ms::ModelType type = file.extension == ".ms" ? ms::ModelType::kMindIR_Lite : ms::ModelType::kMindIR;
    if (options.device != "cpu" && options.device != "ascend") {
      throw UsageError("engine lite has no device " + options.device + ": choose cpu or ascend");
    }
    if (file.extension == ".ms" && file.start.substr(4, 3) != "MSL") {
      throw UserError("model " + path_ + " is not a MindSpore Lite model: convert it again with mslite_convert");
    }
    const ms::Status status = model_.Build(path_, type, MakeContext(options));
    if (status.IsError()) {
      throw UserError("MindSpore Lite cannot load model " + path_ + " on device " + options.device + " (" +
                      FirstLine(status.ToString()) +
                      "): convert the model again, and check that this host has the device");
    }
    inputs_ = model_.GetInputs();
    if (inputs_.size() != 1) {
      throw UserError("model " + path_ + " has " + std::to_string(inputs_.size()) +
                      " inputs, not 1: export the network with raw outputs only");
    }
    const ms::DataType element = inputs_[0].DataType();
    // uint8 if the model normalises the images itself (AIPP on Ascend).
    if (element != ms::DataType::kNumberTypeFloat32 && element != ms::DataType::kNumberTypeUInt8) {
      throw UserError(
          "model " + path_ +
          " takes neither float32 nor uint8 images: convert it with float32 input, or with AIPP for RGB888_U8");
    }
    // The converter writes .ms models with NHWC input. For .mindir, rely on the shape: the format field may be wrong.
    spec_ = InputSpecFrom(path_, inputs_[0].Shape(), LayoutOf(inputs_[0]),
                          element == ms::DataType::kNumberTypeUInt8 ? ElementType::kUint8 : ElementType::kFloat32);
  }

  const InputSpec& input() const override { return spec_; }

  std::vector<OutputView> Run(const void* input) override {
    void* target = inputs_[0].MutableData();
    if (target == nullptr || inputs_[0].DataSize() != spec_.Bytes()) {
      throw UserError("MindSpore Lite cannot allocate the input of model " + path_ + ": free some memory");
    }
    std::memcpy(target, input, spec_.Bytes());
    const ms::Status status = model_.Predict(inputs_, &outputs_);
    if (status.IsError()) {
      throw UserError("MindSpore Lite failed while running model " + path_ + " (" + FirstLine(status.ToString()) +
                      "): check the device and its memory");
    }
    std::vector<OutputView> views;
    for (ms::MSTensor& tensor : outputs_) {
      const auto* data = static_cast<const float*>(tensor.MutableData());
      if (data == nullptr || tensor.DataType() != ms::DataType::kNumberTypeFloat32) {
        throw UserError("an output of model " + path_ + " is not float32: convert it with float32 outputs");
      }
      views.push_back({tensor.Shape(), LayoutOf(tensor), data});
    }
    return views;
  }

 private:
  std::string path_;
  ms::Model model_;
  std::vector<ms::MSTensor> inputs_;
  std::vector<ms::MSTensor> outputs_;
  InputSpec spec_;
};

}  // namespace
}  // namespace native310

native310::Engine* CreateNative310Engine(const native310::EngineOptions& options) {
  return new native310::LiteEngine(options);
}
