#include "fake_model.h"

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "fake_half.h"

namespace fake_acl {
namespace {

// The project's engine openvino as a network of real results.
std::unique_ptr<native310::Engine> OpenNetwork(const std::string& onnx_path) {
  const char* module_path = std::getenv("FAKE_ACL_NETWORK_ENGINE");
  void* module = module_path == nullptr ? nullptr : dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return nullptr;
  const auto create =
      reinterpret_cast<native310::Engine* (*)(const native310::EngineOptions&)>(dlsym(module, "CreateNative310Engine"));
  native310::EngineOptions options;
  options.model_path = onnx_path;
  options.device = "cpu";
  return create == nullptr ? nullptr : std::unique_ptr<native310::Engine>(create(options));
}

// Finds a network's output by its rows.
const float* FindMap(const std::vector<native310::OutputView>& views, std::int64_t rows) {
  for (const native310::OutputView& view : views) {
    if (view.shape.size() == 4 && view.shape[2] == rows) return view.data;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<FakeModel> FakeModel::Read(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  std::string line, magic, input_type, output_type, layout, word;
  std::getline(stream, line);
  std::istringstream fields(line);
  auto model = std::make_unique<FakeModel>();
  fields >> magic >> model->batch >> model->height >> model->width >> model->channels >> input_type >> output_type >>
      layout;
  if (!fields || magic != "FAKEOM") return nullptr;
  model->input_is_uint8 = input_type == "uint8";
  model->output_is_half = output_type == "float16";
  model->input_is_nhwc = layout == "NHWC";
  while (fields >> word) {
    if (word == "AIPP") {
      std::size_t bytes = 0;
      fields >> bytes;
      std::string text(bytes, '\0');
      stream.read(text.data(), static_cast<std::streamsize>(bytes));
      model->aipp = Aipp::Parse(text);
      if (!stream || !model->aipp || !model->aipp->Fits(model->width, model->height)) return nullptr;
    } else if (word == "NETWORK") {
      std::string onnx_path;
      std::getline(fields >> std::ws, onnx_path);
      model->network = OpenNetwork(onnx_path);
      if (model->network == nullptr) return nullptr;
    }
  }
  for (std::size_t index = 0; index < kOutputs; ++index) {
    const std::int64_t stride = model->Stride(index);
    std::vector<float>& values = model->values[index];
    values.resize(static_cast<std::size_t>(model->channels * (model->height / stride) * (model->width / stride)));
    if (model->network != nullptr) continue;
    stream.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  return stream ? std::move(model) : nullptr;
}

std::vector<std::int64_t> FakeModel::InputShape() const {
  // With AIPP, that of the image, whatever its format.
  if (aipp || input_is_nhwc) return {batch, height, width, 3};
  return {batch, 3, height, width};
}

std::size_t FakeModel::ImageBytes() const {
  if (aipp) return aipp->ImageBytes();
  return ImageElements() * (input_is_uint8 ? 1 : sizeof(float));
}

std::vector<float> FakeModel::ImageValues(const unsigned char* image) const {
  if (aipp) return aipp->Compute(image);
  if (input_is_uint8) return {image, image + ImageElements()};
  std::vector<float> numbers(ImageElements());
  std::memcpy(numbers.data(), image, numbers.size() * sizeof numbers[0]);
  return numbers;
}

void FakeModel::Compute(const unsigned char* input, const std::vector<unsigned char*>& outputs) const {
  for (std::size_t image = 0; image < static_cast<std::size_t>(batch); ++image) {
    const std::vector<float> pixels = ImageValues(input + image * ImageBytes());
    std::vector<native310::OutputView> views;
    if (network != nullptr) views = network->Run(pixels.data());
    for (std::size_t index = 0; index < kOutputs; ++index) {
      const std::size_t elements = values[index].size();
      const float* map = network == nullptr ? nullptr : FindMap(views, height / Stride(index));
      for (std::size_t element = 0; element < elements; ++element) {
        const float result = map != nullptr ? map[element] : values[index][element] + pixels.front() - pixels.back();
        const std::size_t position = image * elements + element;
        if (output_is_half) {
          const std::uint16_t half = ToHalf(result);
          std::memcpy(outputs[index] + position * sizeof half, &half, sizeof half);
        } else {
          std::memcpy(outputs[index] + position * sizeof result, &result, sizeof result);
        }
      }
    }
  }
}

}  // namespace fake_acl
