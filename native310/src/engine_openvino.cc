// Engine openvino: ONNX (float, or int8 with Quantize/DequantizeLinear nodes) and OpenVINO IR on the CPU.
#include <cstdlib>
#include <cstring>
#include <openvino/openvino.hpp>

#include "engine.h"
#include "model_file.h"
#include "user_error.h"

namespace native310 {
namespace {

// The workflow sets this variable for MindSpore, whose convolutions are slow beyond AVX2. Inherited by this program, it
// would halve OpenVINO's speed on AVX-512 hosts. Any other value is the user's choice and stays.
void UnsetMindsporeIsaLimit() {
  const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (limit != nullptr && std::strcmp(limit, "AVX2") == 0) unsetenv("ONEDNN_MAX_CPU_ISA");
}

std::vector<std::int64_t> ShapeOf(const ov::Shape& shape) { return {shape.begin(), shape.end()}; }

class OpenvinoEngine : public Engine {
 public:
  explicit OpenvinoEngine(const EngineOptions& options) : path_(options.model_path) {
    const ModelFile file = CheckModelFile(path_, "openvino", {".onnx", ".xml"},
                                          "use --engine lite for .ms and .mindir, --engine acl for .om");
    // ONNX begins with its version field, IR with XML's angle bracket, possibly after a byte order mark. Given anything
    // else, OpenVINO would try all its readers, which takes long.
    const std::string kind = file.extension == ".onnx" ? "ONNX" : "OpenVINO IR";
    const char expected_start = file.extension == ".onnx" ? '\x08' : '<';
    if (file.start[file.start.rfind("\xEF\xBB\xBF", 0) == 0 ? 3 : 0] != expected_start) {
      throw UserError("model " + path_ + " is not an " + kind + " file: export the model again");
    }
    if (options.device != "cpu") {
      throw UsageError("engine openvino has no device " + options.device + ": choose cpu, or --engine lite for ascend");
    }
    try {
      std::shared_ptr<ov::Model> model = core_.read_model(path_);
      if (model->inputs().size() != 1 || model->is_dynamic()) {
        throw UserError("model " + path_ + " does not have exactly one input of a fixed shape: export it with one");
      }
      if (model->input().get_element_type() != ov::element::f32) {
        throw UserError("model " + path_ + " does not take float32 images: export it with float32 input");
      }
      spec_ = InputSpecFrom(path_, ShapeOf(model->input().get_shape()), Layout::kNchw, ElementType::kFloat32);
      // Optimise for latency: one request at a time on all threads. The precision is set because OpenVINO would use
      // bfloat16 by default on CPUs that support it and give other boxes; int8 layers stay int8.
      const ov::element::Type precision = options.precision == "bfloat16" ? ov::element::bf16 : ov::element::f32;
      request_ = core_
                     .compile_model(model, "CPU", ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                                    ov::hint::inference_precision(precision),
                                    ov::inference_num_threads(options.threads), ov::num_streams(1))
                     .create_infer_request();
    } catch (const ov::Exception& error) {
      throw UserError("OpenVINO cannot load model " + path_ + " (" + LastLine(error.what()) +
                      "): export the model again");
    }
  }

  const InputSpec& input() const override { return spec_; }

  std::vector<OutputView> Run(const void* input) override {
    std::vector<OutputView> views;
    try {
      std::memcpy(request_.get_input_tensor().data<float>(), input, spec_.Bytes());
      request_.infer();
      const std::size_t count = request_.get_compiled_model().outputs().size();
      for (std::size_t index = 0; index < count; ++index) {
        const ov::Tensor tensor = request_.get_output_tensor(index);
        views.push_back({ShapeOf(tensor.get_shape()), Layout::kNchw, tensor.data<float>()});
      }
    } catch (const ov::Exception& error) {
      throw UserError("OpenVINO failed while running model " + path_ + " (" + LastLine(error.what()) +
                      "): free some memory or export the model again");
    }
    return views;
  }

 private:
  // OpenVINO's messages begin with locations in its source code; the reason comes last.
  static std::string LastLine(std::string message) {
    message.erase(message.find_last_not_of("\n .") + 1);
    return FirstLine(message.substr(message.rfind('\n') + 1));
  }

  std::string path_;
  ov::Core core_;
  ov::InferRequest request_;
  InputSpec spec_;
};

}  // namespace
}  // namespace native310

native310::Engine* CreateNative310Engine(const native310::EngineOptions& options) {
  native310::UnsetMindsporeIsaLimit();
  return new native310::OpenvinoEngine(options);
}
