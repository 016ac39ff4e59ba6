// A model of the fake AscendCL.
//
// A model file is the line "FAKEOM <batch> <height> <width> <channels> <input type> <output type> <NCHW|NHWC>" (types:
// float32, uint8; float32, float16), then the float32 raw maps [channels, height, width] of strides 32, 16 and 8, in
// this order. Output of an image = these values + its first input value - its last.
//
// The line may go on with "AIPP <bytes>": then so many bytes of an AIPP configuration follow it, the model takes uint8
// images of its format, and the values above are those that AIPP computes from them. It may end with "NETWORK <path>"
// instead of raw maps: then the outputs are those of this ONNX file, which the project's engine openvino runs; the
// environment variable FAKE_ACL_NETWORK_ENGINE names its module.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "fake_aipp.h"

namespace fake_acl {

struct FakeModel {
  static constexpr std::size_t kOutputs = 3;

  std::int64_t batch = 0, height = 0, width = 0, channels = 0;
  bool input_is_uint8 = false, output_is_half = false, input_is_nhwc = false;
  std::optional<Aipp> aipp;
  std::unique_ptr<native310::Engine> network;
  std::vector<float> values[kOutputs];

  // Returns nullptr if the file is no model.
  static std::unique_ptr<FakeModel> Read(const char* path);

  std::int64_t Stride(std::size_t index) const { return 32 >> index; }
  std::vector<std::int64_t> InputShape() const;
  std::size_t ImageBytes() const;
  std::size_t InputBytes() const { return static_cast<std::size_t>(batch) * ImageBytes(); }
  std::size_t OutputBytes(std::size_t index) const {
    return static_cast<std::size_t>(batch) * values[index].size() * (output_is_half ? 2 : sizeof(float));
  }

  // `outputs` are the three output buffers.
  void Compute(const unsigned char* input, const std::vector<unsigned char*>& outputs) const;

 private:
  std::size_t ImageElements() const { return static_cast<std::size_t>(3 * height * width); }
  std::vector<float> ImageValues(const unsigned char* image) const;
};

}  // namespace fake_acl
