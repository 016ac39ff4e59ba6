// A libascendcl without a device: runs a model with a known result; records calls out of order, leaks and overruns. The
// file that FAKE_ACL_INPUT names receives the model's input of the last run.
#include <acl/acl.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "fake_device.h"
#include "fake_model.h"
#include "fake_state.h"

using fake_acl::FakeModel;
using fake_acl::HasContext;
using fake_acl::IsOnDevice;
using fake_acl::kFailure;
using fake_acl::Result;
using fake_acl::State;

namespace {

std::unique_ptr<FakeModel> g_model;

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
  state.Remove("acl", &state,
               {"device", "context", "stream", "model", "desc", "dataset", "buffer", "memory", "dvpp memory"});
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
  state.Remove("device", reinterpret_cast<void*>(static_cast<std::intptr_t>(device)),
               {"context", "stream", "memory", "dvpp memory"});
  return Result(!fails);
}

aclError aclrtGetRunMode(aclrtRunMode* mode) {
  State& state = State::Get();
  if (state.Enter("aclrtGetRunMode")) return kFailure;
  *mode = fake_acl::RunMode();
  return Result(state.Require(state.HasAny("device"), "aclrtGetRunMode before aclrtSetDevice"));
}

const char* aclrtGetSocName() {
  if (State::Get().Enter("aclrtGetSocName")) return nullptr;
  const char* name = std::getenv("FAKE_ACL_SOC");
  return name == nullptr ? "Ascend310" : name;
}

aclError aclmdlLoadFromFile(const char* path, uint32_t* id) {
  State& state = State::Get();
  if (state.Enter("aclmdlLoadFromFile")) return kFailure;
  if (!state.Require(state.HasAny("stream"), "aclmdlLoadFromFile before aclrtCreateStream")) return kFailure;
  g_model = FakeModel::Read(path);
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

size_t aclmdlGetNumOutputs(aclmdlDesc*) { return State::Get().Enter("aclmdlGetNumOutputs") ? 0 : FakeModel::kOutputs; }

size_t aclmdlGetInputSizeByIndex(aclmdlDesc* desc, size_t) {
  return State::Get().Enter("aclmdlGetInputSizeByIndex") ? 0 : desc->model->InputBytes();
}

size_t aclmdlGetOutputSizeByIndex(aclmdlDesc* desc, size_t index) {
  return State::Get().Enter("aclmdlGetOutputSizeByIndex") ? 0 : desc->model->OutputBytes(index);
}

aclError aclmdlGetInputDims(const aclmdlDesc* desc, size_t, aclmdlIODims* dims) {
  if (State::Get().Enter("aclmdlGetInputDims")) return kFailure;
  const std::vector<std::int64_t> shape = desc->model->InputShape();
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
  return desc->model->aipp || desc->model->input_is_nhwc ? ACL_FORMAT_NHWC : ACL_FORMAT_NCHW;
}

aclDataType aclmdlGetInputDataType(const aclmdlDesc* desc, size_t) {
  if (State::Get().Enter("aclmdlGetInputDataType")) return ACL_DT_UNDEFINED;
  return desc->model->aipp || desc->model->input_is_uint8 ? ACL_UINT8 : ACL_FLOAT;
}

aclDataType aclmdlGetOutputDataType(const aclmdlDesc* desc, size_t) {
  if (State::Get().Enter("aclmdlGetOutputDataType")) return ACL_DT_UNDEFINED;
  return desc->model->output_is_half ? ACL_FLOAT16 : ACL_FLOAT;
}

aclError aclmdlGetAippType(uint32_t id, size_t, aclmdlInputAippType* type, size_t*) {
  State& state = State::Get();
  if (state.Enter("aclmdlGetAippType")) return kFailure;
  if (!state.Require(id == 1 && g_model != nullptr, "aclmdlGetAippType without model")) return kFailure;
  *type = g_model->aipp ? ACL_DATA_WITH_STATIC_AIPP : ACL_DATA_WITHOUT_AIPP;
  return ACL_SUCCESS;
}

aclError aclmdlGetFirstAippInfo(uint32_t id, size_t, aclAippInfo* info) {
  State& state = State::Get();
  if (state.Enter("aclmdlGetFirstAippInfo")) return kFailure;
  const bool has_aipp = id == 1 && g_model != nullptr && g_model->aipp;
  if (!state.Require(has_aipp, "aclmdlGetFirstAippInfo of a model without AIPP")) return kFailure;
  info->inputFormat = g_model->aipp->is_yuv420sp ? ACL_YUV420SP_U8 : ACL_RGB888_U8;
  info->srcImageSizeW = static_cast<int32_t>(g_model->width);
  info->srcImageSizeH = static_cast<int32_t>(g_model->height);
  return ACL_SUCCESS;
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
  bool is_right = state.Require(HasContext(), "aclmdlExecute without context") &&
                  state.Require(id == 1 && g_model != nullptr, "aclmdlExecute without model") &&
                  state.Require(input->buffers.size() == 1 && output->buffers.size() == FakeModel::kOutputs,
                                "aclmdlExecute with the wrong number of buffers") &&
                  state.Require(input->buffers[0]->size == g_model->InputBytes(), "input buffer of the wrong size");
  for (std::size_t index = 0; is_right && index < FakeModel::kOutputs; ++index) {
    is_right = state.Require(output->buffers[index]->size == g_model->OutputBytes(index), "output of the wrong size");
  }
  std::vector<unsigned char*> targets;
  for (const aclDataBuffer* buffer : output->buffers) targets.push_back(static_cast<unsigned char*>(buffer->data));
  if (is_right && std::getenv("FAKE_ACL_INPUT") != nullptr) {
    std::ofstream(std::getenv("FAKE_ACL_INPUT"), std::ios::binary)
        .write(static_cast<const char*>(input->buffers[0]->data), static_cast<std::streamsize>(g_model->InputBytes()));
  }
  if (is_right) g_model->Compute(static_cast<const unsigned char*>(input->buffers[0]->data), targets);
  return Result(is_right);
}

}  // extern "C"
