// A libascendcl without a device: runs a model with a known result; records calls out of order, leaks and overruns.
//
// A model file is the line "FAKEOM <batch> <height> <width> <channels> <input type> <output type> <NCHW|NHWC>" (types:
// float32, uint8; float32, float16), then the float32 raw maps [channels, height, width] of strides 32, 16 and 8, in
// this order. Output of an image = these values + its first input value - its last.
#include <acl/acl.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "fake_state.h"

using fake_acl::State;

namespace {

constexpr aclError kFailure = 507018;
constexpr int kOutputs = 3;

struct FakeModel {
  std::int64_t batch = 0, height = 0, width = 0, channels = 0;
  bool input_is_uint8 = false, output_is_half = false, input_is_nhwc = false;
  std::vector<float> values[kOutputs];

  std::int64_t Stride(std::size_t index) const { return 32 >> index; }
  std::size_t ImageElements() const { return static_cast<std::size_t>(3 * height * width); }
  std::size_t InputBytes() const {
    return static_cast<std::size_t>(batch) * ImageElements() * (input_is_uint8 ? 1 : sizeof(float));
  }
  std::size_t OutputBytes(std::size_t index) const {
    return static_cast<std::size_t>(batch) * values[index].size() * (output_is_half ? 2 : sizeof(float));
  }
};

std::unique_ptr<FakeModel> g_model;
aclrtRunMode RunMode() {
  const char* mode = std::getenv("FAKE_ACL_RUN_MODE");
  return mode != nullptr && std::strcmp(mode, "device") == 0 ? ACL_DEVICE : ACL_HOST;
}

std::unique_ptr<FakeModel> ReadModel(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  std::string line, magic, input_type, output_type, layout;
  std::getline(stream, line);
  std::istringstream fields(line);
  auto model = std::make_unique<FakeModel>();
  fields >> magic >> model->batch >> model->height >> model->width >> model->channels >> input_type >> output_type >>
      layout;
  if (!fields || magic != "FAKEOM") return nullptr;
  model->input_is_uint8 = input_type == "uint8";
  model->output_is_half = output_type == "float16";
  model->input_is_nhwc = layout == "NHWC";
  for (std::size_t index = 0; index < kOutputs; ++index) {
    const std::int64_t stride = model->Stride(index);
    model->values[index].resize(
        static_cast<std::size_t>(model->channels * (model->height / stride) * (model->width / stride)));
    stream.read(reinterpret_cast<char*>(model->values[index].data()),
                static_cast<std::streamsize>(model->values[index].size() * sizeof(float)));
  }
  return stream ? std::move(model) : nullptr;
}

// Rounds to nearest, ties to even; for finite values only.
std::uint16_t ToHalf(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::fabs(value);
  if (magnitude < std::ldexp(1.0F, -14)) {
    return static_cast<std::uint16_t>(sign | static_cast<int>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);  // 0.5 <= fraction < 1
  const int mantissa = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + (mantissa - 0x400)));
}

aclError Result(bool is_right) { return is_right ? ACL_SUCCESS : kFailure; }

}  // namespace

struct aclmdlDesc {
  const FakeModel* model = nullptr;
};
struct aclDataBuffer {
  void* data;
  std::size_t size;
};
struct aclmdlDataset {
  std::vector<aclDataBuffer*> buffers;
};

namespace {

struct Allocation {
  std::unique_ptr<unsigned char[]> memory;
  std::size_t size;
};
std::vector<Allocation>& Allocations() {
  static std::vector<Allocation> allocations;
  return allocations;
}

// Whether `count` bytes from `start` lie in one live device allocation.
bool IsOnDevice(const void* start, std::size_t count) {
  const auto* first = static_cast<const unsigned char*>(start);
  for (const Allocation& allocation : Allocations()) {
    const unsigned char* memory = allocation.memory.get();
    if (first >= memory && first < memory + allocation.size) {
      return count <= static_cast<std::size_t>(memory + allocation.size - first);
    }
  }
  return false;
}

void Compute(const unsigned char* input, const aclmdlDataset& output) {
  const FakeModel& model = *g_model;
  for (std::size_t image = 0; image < static_cast<std::size_t>(model.batch); ++image) {
    const auto value = [&](std::size_t element) {
      const std::size_t position = image * model.ImageElements() + element;
      if (model.input_is_uint8) return static_cast<float>(input[position]);
      float number = 0;
      std::memcpy(&number, input + position * sizeof number, sizeof number);
      return number;
    };
    const float first = value(0);
    const float last = value(model.ImageElements() - 1);
    for (std::size_t index = 0; index < kOutputs; ++index) {
      const std::vector<float>& values = model.values[index];
      auto* target = static_cast<unsigned char*>(output.buffers[index]->data);
      for (std::size_t element = 0; element < values.size(); ++element) {
        const float result = values[element] + first - last;
        const std::size_t position = image * values.size() + element;
        if (model.output_is_half) {
          const std::uint16_t half = ToHalf(result);
          std::memcpy(target + position * sizeof half, &half, sizeof half);
        } else {
          std::memcpy(target + position * sizeof result, &result, sizeof result);
        }
      }
    }
  }
}

}  // namespace

extern "C" {

aclError aclInit(const char*) {
  State& state = State::Get();
  if (state.Enter("aclInit")) return kFailure;
  const bool is_right = state.Require(!state.HasAny("acl"), "aclInit called twice");
  state.Add("acl", &state);
  return Result(is_right);
}

aclError aclFinalize() {
  State& state = State::Get();
  const bool fails = state.Enter("aclFinalize");
  state.Remove("acl", &state, {"device", "context", "stream", "model", "desc", "dataset", "buffer", "memory"});
  return Result(!fails);
}

aclError aclrtSetDevice(int32_t device) {
  State& state = State::Get();
  if (state.Enter("aclrtSetDevice")) return kFailure;
  const bool is_right = state.Require(state.HasAny("acl"), "aclrtSetDevice before aclInit");
  if (device != 0) return kFailure;
  state.Add("device", reinterpret_cast<void*>(static_cast<std::intptr_t>(device)));
  return Result(is_right);
}

aclError aclrtResetDevice(int32_t device) {
  State& state = State::Get();
  const bool fails = state.Enter("aclrtResetDevice");
  state.Remove("device", reinterpret_cast<void*>(static_cast<std::intptr_t>(device)), {"context", "stream", "memory"});
  return Result(!fails);
}

aclError aclrtCreateContext(aclrtContext* context, int32_t) {
  State& state = State::Get();
  if (state.Enter("aclrtCreateContext")) return kFailure;
  const bool is_right = state.Require(state.HasAny("device"), "aclrtCreateContext before aclrtSetDevice");
  *context = new char;
  state.Add("context", *context);
  return Result(is_right);
}

aclError aclrtDestroyContext(aclrtContext context) {
  State& state = State::Get();
  const bool fails = state.Enter("aclrtDestroyContext");
  state.Remove("context", context, {"stream"});
  delete static_cast<char*>(context);
  return Result(!fails);
}

aclError aclrtCreateStream(aclrtStream* stream) {
  State& state = State::Get();
  if (state.Enter("aclrtCreateStream")) return kFailure;
  const bool is_right = state.Require(state.HasAny("context"), "aclrtCreateStream before aclrtCreateContext");
  *stream = new char;
  state.Add("stream", *stream);
  return Result(is_right);
}

aclError aclrtDestroyStream(aclrtStream stream) {
  State& state = State::Get();
  const bool fails = state.Enter("aclrtDestroyStream");
  state.Remove("stream", stream);
  delete static_cast<char*>(stream);
  return Result(!fails);
}

aclError aclrtGetRunMode(aclrtRunMode* mode) {
  State& state = State::Get();
  if (state.Enter("aclrtGetRunMode")) return kFailure;
  *mode = RunMode();
  return Result(state.Require(state.HasAny("device"), "aclrtGetRunMode before aclrtSetDevice"));
}

aclError aclrtMalloc(void** data, size_t size, aclrtMemMallocPolicy) {
  State& state = State::Get();
  if (state.Enter("aclrtMalloc")) return kFailure;
  if (!state.Require(state.HasAny("context") && size > 0, "aclrtMalloc without context or of size 0")) return kFailure;
  Allocations().push_back({std::make_unique<unsigned char[]>(size), size});
  *data = Allocations().back().memory.get();
  state.Add("memory", *data);
  return ACL_SUCCESS;
}

aclError aclrtFree(void* data) {
  State& state = State::Get();
  const bool fails = state.Enter("aclrtFree");
  state.Remove("memory", data);
  std::vector<Allocation>& allocations = Allocations();
  for (auto allocation = allocations.begin(); allocation != allocations.end(); ++allocation) {
    if (allocation->memory.get() == data) {
      allocations.erase(allocation);
      break;
    }
  }
  return Result(!fails);
}

aclError aclrtMemcpy(void* target, size_t room, const void* source, size_t count, aclrtMemcpyKind kind) {
  State& state = State::Get();
  if (state.Enter("aclrtMemcpy")) return kFailure;
  const bool to_device = IsOnDevice(target, count);
  const bool from_device = IsOnDevice(source, count);
  const aclrtMemcpyKind expected = RunMode() == ACL_DEVICE ? ACL_MEMCPY_DEVICE_TO_DEVICE
                                   : to_device             ? ACL_MEMCPY_HOST_TO_DEVICE
                                                           : ACL_MEMCPY_DEVICE_TO_HOST;
  const bool is_right = state.Require(kind == expected, "aclrtMemcpy of the wrong kind") &&
                        state.Require(to_device != from_device, "aclrtMemcpy outside of device memory") &&
                        state.Require(count <= room, "aclrtMemcpy beyond its target");
  if (is_right) std::memcpy(target, source, count);
  return Result(is_right);
}

aclError aclmdlLoadFromFile(const char* path, uint32_t* id) {
  State& state = State::Get();
  if (state.Enter("aclmdlLoadFromFile")) return kFailure;
  if (!state.Require(state.HasAny("stream"), "aclmdlLoadFromFile before aclrtCreateStream")) return kFailure;
  g_model = ReadModel(path);
  if (g_model == nullptr) return kFailure;
  *id = 1;
  state.Add("model", g_model.get());
  return ACL_SUCCESS;
}

aclError aclmdlUnload(uint32_t id) {
  State& state = State::Get();
  const bool fails = state.Enter("aclmdlUnload");
  state.Require(id == 1, "aclmdlUnload of another model");
  state.Remove("model", g_model.get(), {"desc"});
  g_model.reset();
  return Result(!fails);
}

aclmdlDesc* aclmdlCreateDesc() {
  State& state = State::Get();
  if (state.Enter("aclmdlCreateDesc")) return nullptr;
  auto* desc = new aclmdlDesc;
  state.Add("desc", desc);
  return desc;
}

aclError aclmdlDestroyDesc(aclmdlDesc* desc) {
  State& state = State::Get();
  const bool fails = state.Enter("aclmdlDestroyDesc");
  state.Remove("desc", desc);
  delete desc;
  return Result(!fails);
}

aclError aclmdlGetDesc(aclmdlDesc* desc, uint32_t id) {
  State& state = State::Get();
  if (state.Enter("aclmdlGetDesc")) return kFailure;
  if (!state.Require(id == 1 && state.Has("desc", desc) && g_model != nullptr, "aclmdlGetDesc without model or desc")) {
    return kFailure;
  }
  desc->model = g_model.get();
  return ACL_SUCCESS;
}

size_t aclmdlGetNumInputs(aclmdlDesc*) { return State::Get().Enter("aclmdlGetNumInputs") ? 0 : 1; }

size_t aclmdlGetNumOutputs(aclmdlDesc*) { return State::Get().Enter("aclmdlGetNumOutputs") ? 0 : kOutputs; }

size_t aclmdlGetInputSizeByIndex(aclmdlDesc* desc, size_t) {
  return State::Get().Enter("aclmdlGetInputSizeByIndex") ? 0 : desc->model->InputBytes();
}

size_t aclmdlGetOutputSizeByIndex(aclmdlDesc* desc, size_t index) {
  return State::Get().Enter("aclmdlGetOutputSizeByIndex") ? 0 : desc->model->OutputBytes(index);
}

aclError aclmdlGetInputDims(const aclmdlDesc* desc, size_t, aclmdlIODims* dims) {
  if (State::Get().Enter("aclmdlGetInputDims")) return kFailure;
  const FakeModel& model = *desc->model;
  const std::vector<std::int64_t> shape = model.input_is_nhwc
                                              ? std::vector<std::int64_t>{model.batch, model.height, model.width, 3}
                                              : std::vector<std::int64_t>{model.batch, 3, model.height, model.width};
  dims->dimCount = shape.size();
  std::memcpy(dims->dims, shape.data(), shape.size() * sizeof shape[0]);
  return ACL_SUCCESS;
}

aclError aclmdlGetOutputDims(const aclmdlDesc* desc, size_t index, aclmdlIODims* dims) {
  if (State::Get().Enter("aclmdlGetOutputDims")) return kFailure;
  const FakeModel& model = *desc->model;
  const std::int64_t stride = model.Stride(index);
  dims->dimCount = 4;
  dims->dims[0] = model.batch;
  dims->dims[1] = model.channels;
  dims->dims[2] = model.height / stride;
  dims->dims[3] = model.width / stride;
  return ACL_SUCCESS;
}

aclFormat aclmdlGetInputFormat(const aclmdlDesc* desc, size_t) {
  if (State::Get().Enter("aclmdlGetInputFormat")) return ACL_FORMAT_UNDEFINED;
  return desc->model->input_is_nhwc ? ACL_FORMAT_NHWC : ACL_FORMAT_NCHW;
}

aclDataType aclmdlGetInputDataType(const aclmdlDesc* desc, size_t) {
  if (State::Get().Enter("aclmdlGetInputDataType")) return ACL_DT_UNDEFINED;
  return desc->model->input_is_uint8 ? ACL_UINT8 : ACL_FLOAT;
}

aclDataType aclmdlGetOutputDataType(const aclmdlDesc* desc, size_t) {
  if (State::Get().Enter("aclmdlGetOutputDataType")) return ACL_DT_UNDEFINED;
  return desc->model->output_is_half ? ACL_FLOAT16 : ACL_FLOAT;
}

aclmdlDataset* aclmdlCreateDataset() {
  State& state = State::Get();
  if (state.Enter("aclmdlCreateDataset")) return nullptr;
  auto* dataset = new aclmdlDataset;
  state.Add("dataset", dataset);
  return dataset;
}

aclError aclmdlDestroyDataset(const aclmdlDataset* dataset) {
  State& state = State::Get();
  const bool fails = state.Enter("aclmdlDestroyDataset");
  state.Remove("dataset", dataset);
  delete dataset;
  return Result(!fails);
}

aclDataBuffer* aclCreateDataBuffer(void* data, size_t size) {
  State& state = State::Get();
  if (state.Enter("aclCreateDataBuffer")) return nullptr;
  state.Require(IsOnDevice(data, size), "aclCreateDataBuffer outside of device memory");
  auto* buffer = new aclDataBuffer{data, size};
  state.Add("buffer", buffer);
  return buffer;
}

aclError aclDestroyDataBuffer(const aclDataBuffer* buffer) {
  State& state = State::Get();
  const bool fails = state.Enter("aclDestroyDataBuffer");
  state.Require(state.Has("memory", buffer->data), "memory released before its buffer");
  state.Remove("buffer", buffer);
  delete buffer;
  return Result(!fails);
}

aclError aclmdlAddDatasetBuffer(aclmdlDataset* dataset, aclDataBuffer* buffer) {
  State& state = State::Get();
  if (state.Enter("aclmdlAddDatasetBuffer")) return kFailure;
  dataset->buffers.push_back(buffer);
  return Result(state.Require(state.Has("dataset", dataset) && state.Has("buffer", buffer),
                              "aclmdlAddDatasetBuffer with a released handle"));
}

aclError aclmdlExecute(uint32_t id, const aclmdlDataset* input, aclmdlDataset* output) {
  State& state = State::Get();
  if (state.Enter("aclmdlExecute")) return kFailure;
  bool is_right = state.Require(id == 1 && g_model != nullptr, "aclmdlExecute without model") &&
                  state.Require(input->buffers.size() == 1 && output->buffers.size() == kOutputs,
                                "aclmdlExecute with the wrong number of buffers") &&
                  state.Require(input->buffers[0]->size == g_model->InputBytes(), "input buffer of the wrong size");
  for (std::size_t index = 0; is_right && index < kOutputs; ++index) {
    is_right = state.Require(output->buffers[index]->size == g_model->OutputBytes(index), "output of the wrong size");
  }
  if (is_right) Compute(static_cast<const unsigned char*>(input->buffers[0]->data), *output);
  return Result(is_right);
}

}  // extern "C"
