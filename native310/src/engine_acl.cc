// Engine acl: an OM model on Ascend through AscendCL.
#include <acl/acl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "acl_releases.h"
#include "dvpp_decoder.h"
#include "engine.h"
#include "half.h"
#include "model_file.h"
#include "user_error.h"

namespace native310 {
namespace {

struct DeviceBuffer {
  void* data = nullptr;
  std::size_t bytes = 0;
};

struct AclOutput {
  DeviceBuffer buffer;
  std::vector<std::int64_t> shape;
  bool is_half = false;
  // Copies of the buffer, in whole elements; the halves only if it holds such.
  std::vector<std::uint16_t> halves;
  std::vector<float> values;
};

class AclEngine : public Engine {
 public:
  explicit AclEngine(const EngineOptions& options) : path_(options.model_path) {
    CheckModelFile(path_, "acl", {".om"}, "convert an AIR file with atc, or use --engine lite or openvino");
    if (options.device != "ascend") {
      throw UsageError("engine acl has no device " + options.device + ": choose ascend, or --engine lite for cpu");
    }
    OpenDevice(options.device_id);
    LoadModel();
    DescribeInput();
    DescribeOutputs();
  }

  const InputSpec& input() const override { return spec_; }

  std::vector<OutputView> Run(const void* input) override {
    Check(aclrtMemcpy(input_.data, input_.bytes, input, spec_.Bytes(),
                      is_host_ ? ACL_MEMCPY_HOST_TO_DEVICE : ACL_MEMCPY_DEVICE_TO_DEVICE),
          "aclrtMemcpy");
    Check(aclmdlExecute(model_id_, inputs_, results_), "aclmdlExecute");
    std::vector<OutputView> views;
    for (AclOutput& output : outputs_) {
      void* target = output.is_half ? static_cast<void*>(output.halves.data()) : output.values.data();
      Check(aclrtMemcpy(target, output.buffer.bytes, output.buffer.data, output.buffer.bytes,
                        is_host_ ? ACL_MEMCPY_DEVICE_TO_HOST : ACL_MEMCPY_DEVICE_TO_DEVICE),
            "aclrtMemcpy");
      std::transform(output.halves.begin(), output.halves.end(), output.values.begin(), HalfToFloat);
      views.push_back({output.shape, Layout::kNchw, output.values.data()});
    }
    return views;
  }

  JpegDecoder* OpenJpegDecoder() override {
    if (!DvppDecoder::Writes(spec_)) return nullptr;
    decoder_ = std::make_unique<DvppDecoder>(context_, is_host_, spec_);
    decoder_->Open(&releases_);
    return decoder_.get();
  }

  void Close() override {
    if (const char* failed = releases_.RunAll()) {
      throw UserError(std::string("AscendCL failed in ") + failed + " while closing model " + path_ +
                      ": check the device with npu-smi info, then run again");
    }
  }

 private:
  void Check(aclError error, const char* function) const {
    if (error == ACL_SUCCESS) return;
    throw UserError(std::string("AscendCL failed in ") + function + " with code " + std::to_string(error) +
                    " for model " + path_ +
                    ": check the device with npu-smi info, and that the model was converted for it");
  }

  template <typename T>
  T* CheckCreated(T* created, const char* function) const {
    Check(created == nullptr ? -1 : ACL_SUCCESS, function);
    return created;
  }

  void OpenDevice(int device_id) {
    Check(aclInit(nullptr), "aclInit");
    releases_.Add("aclFinalize", [] { return aclFinalize(); });
    Check(aclrtSetDevice(device_id), "aclrtSetDevice");
    releases_.Add("aclrtResetDevice", [device_id] { return aclrtResetDevice(device_id); });
    Check(aclrtCreateContext(&context_, device_id), "aclrtCreateContext");
    releases_.Add("aclrtDestroyContext", [this] { return aclrtDestroyContext(context_); });
    aclrtStream stream = nullptr;
    Check(aclrtCreateStream(&stream), "aclrtCreateStream");
    releases_.Add("aclrtDestroyStream", [stream] { return aclrtDestroyStream(stream); });
    aclrtRunMode mode = ACL_HOST;
    Check(aclrtGetRunMode(&mode), "aclrtGetRunMode");
    // On the Ascend 310's own processor, host and device share one memory.
    is_host_ = mode == ACL_HOST;
  }

  void LoadModel() {
    Check(aclmdlLoadFromFile(path_.c_str(), &model_id_), "aclmdlLoadFromFile");
    releases_.Add("aclmdlUnload", [this] { return aclmdlUnload(model_id_); });
    description_ = CheckCreated(aclmdlCreateDesc(), "aclmdlCreateDesc");
    releases_.Add("aclmdlDestroyDesc", [this] { return aclmdlDestroyDesc(description_); });
    Check(aclmdlGetDesc(description_, model_id_), "aclmdlGetDesc");
  }

  void DescribeInput() {
    const std::size_t count = aclmdlGetNumInputs(description_);
    if (count != 1) {
      throw UserError("model " + path_ + " has " + std::to_string(count) +
                      " inputs, not 1: export the network with a fixed shape");
    }
    aclmdlIODims dims{};
    Check(aclmdlGetInputDims(description_, 0, &dims), "aclmdlGetInputDims");
    const aclDataType type = aclmdlGetInputDataType(description_, 0);
    if (type != ACL_FLOAT && type != ACL_UINT8) {
      throw UserError("model " + path_ + " takes neither float32 nor uint8 images: convert it with another input type");
    }
    spec_ = InputSpecFrom(path_, Shape(dims),
                          aclmdlGetInputFormat(description_, 0) == ACL_FORMAT_NHWC ? Layout::kNhwc : Layout::kNchw,
                          type == ACL_UINT8 ? ElementType::kUint8 : ElementType::kFloat32);
    ReadAipp();
    const std::size_t bytes = aclmdlGetInputSizeByIndex(description_, 0);
    if (bytes < spec_.Bytes()) {
      throw UserError("model " + path_ + " has an input of " + std::to_string(bytes) + " bytes but its shape needs " +
                      std::to_string(spec_.Bytes()) + ": convert it again with a fixed shape");
    }
    input_ = Allocate(bytes);
    inputs_ = MakeDataset({input_});
  }

  // Finds out in which format a model with image preprocessing (AIPP) takes its pixels.
  void ReadAipp() {
    aclmdlInputAippType type = ACL_DATA_WITHOUT_AIPP;
    std::size_t attached = 0;  // of dynamic AIPP only
    Check(aclmdlGetAippType(model_id_, 0, &type, &attached), "aclmdlGetAippType");
    if (type == ACL_DATA_WITHOUT_AIPP) return;
    if (type != ACL_DATA_WITH_STATIC_AIPP) {
      throw UserError("model " + path_ + " has a dynamic AIPP: convert it with a static one");
    }
    // Too large for the stack of some threads.
    const auto aipp = std::make_unique<aclAippInfo>();
    Check(aclmdlGetFirstAippInfo(model_id_, 0, aipp.get()), "aclmdlGetFirstAippInfo");
    if (aipp->inputFormat != ACL_YUV420SP_U8 && aipp->inputFormat != ACL_RGB888_U8) {
      throw UserError(
          "model " + path_ +
          " has an AIPP for another input_format than YUV420SP_U8 and RGB888_U8: convert it with one of these");
    }
    if (aipp->inputFormat == ACL_YUV420SP_U8) spec_.format = PixelFormat::kYuv420sp;
  }

  void DescribeOutputs() {
    const std::size_t count = aclmdlGetNumOutputs(description_);
    if (count == 0) throw UserError("model " + path_ + " has no output: convert it again");
    outputs_.resize(count);
    std::vector<DeviceBuffer> buffers;
    for (std::size_t index = 0; index < count; ++index) {
      AclOutput& output = outputs_[index];
      aclmdlIODims dims{};
      Check(aclmdlGetOutputDims(description_, index, &dims), "aclmdlGetOutputDims");
      output.shape = Shape(dims);
      const aclDataType type = aclmdlGetOutputDataType(description_, index);
      if (type != ACL_FLOAT && type != ACL_FLOAT16) {
        throw UserError("output " + std::to_string(index) + " of model " + path_ +
                        " is neither float32 nor float16: convert it with atc --output_type=FP32");
      }
      output.is_half = type == ACL_FLOAT16;
      const std::size_t bytes = aclmdlGetOutputSizeByIndex(description_, index);
      const std::size_t element_bytes = output.is_half ? sizeof(std::uint16_t) : sizeof(float);
      std::size_t needed = element_bytes;
      for (const std::int64_t extent : output.shape) needed *= static_cast<std::size_t>(extent);
      if (bytes < needed || needed == 0) {
        throw UserError("output " + std::to_string(index) + " of model " + path_ + " has " + std::to_string(bytes) +
                        " bytes but its shape needs " + std::to_string(needed) + ": convert it again");
      }
      output.values.resize((bytes + element_bytes - 1) / element_bytes);
      if (output.is_half) output.halves.resize(output.values.size());
      output.buffer = Allocate(bytes);
      buffers.push_back(output.buffer);
    }
    results_ = MakeDataset(buffers);
  }

  DeviceBuffer Allocate(std::size_t bytes) {
    DeviceBuffer buffer{nullptr, bytes};
    Check(aclrtMalloc(&buffer.data, bytes, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
    releases_.Add("aclrtFree", [data = buffer.data] { return aclrtFree(data); });
    return buffer;
  }

  aclmdlDataset* MakeDataset(const std::vector<DeviceBuffer>& buffers) {
    aclmdlDataset* dataset = CheckCreated(aclmdlCreateDataset(), "aclmdlCreateDataset");
    releases_.Add("aclmdlDestroyDataset", [dataset] { return aclmdlDestroyDataset(dataset); });
    for (const DeviceBuffer& buffer : buffers) {
      aclDataBuffer* handle = CheckCreated(aclCreateDataBuffer(buffer.data, buffer.bytes), "aclCreateDataBuffer");
      releases_.Add("aclDestroyDataBuffer", [handle] { return aclDestroyDataBuffer(handle); });
      Check(aclmdlAddDatasetBuffer(dataset, handle), "aclmdlAddDatasetBuffer");
    }
    return dataset;
  }

  static std::vector<std::int64_t> Shape(const aclmdlIODims& dims) { return {dims.dims, dims.dims + dims.dimCount}; }

  std::string path_;
  InputSpec spec_;
  bool is_host_ = true;
  aclrtContext context_ = nullptr;
  std::uint32_t model_id_ = 0;
  aclmdlDesc* description_ = nullptr;
  aclmdlDataset* inputs_ = nullptr;
  aclmdlDataset* results_ = nullptr;
  DeviceBuffer input_;
  std::vector<AclOutput> outputs_;
  std::unique_ptr<DvppDecoder> decoder_;
  // Declared last and so destroyed first, because it uses the members above.
  Releases releases_;
};

}  // namespace
}  // namespace native310

native310::Engine* CreateNative310Engine(const native310::EngineOptions& options) {
  return new native310::AclEngine(options);
}
