// What AIPP computes from an image, by the formulas of CANN's model conversion guide.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fake_acl {

// A static configuration, as atc takes it by --insert_op_conf.
struct Aipp {
  bool is_yuv420sp = false;  // else RGB888
  std::int64_t width = 0, height = 0;
  bool converts_colours = false;
  std::array<std::array<int, 3>, 3> matrix{};
  std::array<int, 3> input_bias{};
  std::array<int, 3> mean{};
  std::array<float, 3> min{};
  std::array<float, 3> reciprocal{};

  // Returns nothing if the text is no such configuration, or if its keys are not exactly those used here.
  static std::optional<Aipp> Parse(const std::string& text);

  bool Fits(std::int64_t model_width, std::int64_t model_height) const {
    return width == model_width && height == model_height;
  }
  std::size_t ImageBytes() const { return static_cast<std::size_t>(width * height * 3) / (is_yuv420sp ? 2 : 1); }

  // Returns float [3, height, width] in the precision of float16.
  std::vector<float> Compute(const unsigned char* image) const;

 private:
  std::array<int, 3> Pixel(const unsigned char* image, std::size_t y, std::size_t x) const;
};

}  // namespace fake_acl
