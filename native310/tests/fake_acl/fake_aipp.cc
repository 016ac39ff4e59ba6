#include "fake_aipp.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "fake_half.h"

namespace fake_acl {
namespace {

class Settings {
 public:
  // The text is "aipp_op {", lines "key: value", "}".
  explicit Settings(const std::string& text) {
    std::istringstream words(text);
    std::string name, brace, key, value;
    is_right_ = (words >> name >> brace) && name == "aipp_op" && brace == "{";
    while (words >> key && key != "}") {
      is_right_ = is_right_ && (words >> value) && key.back() == ':' &&
                  values_.emplace(key.substr(0, key.size() - 1), value).second;
    }
    is_right_ = is_right_ && key == "}" && !(words >> key);
  }

  std::string Take(const std::string& key) {
    const auto value = values_.find(key);
    is_right_ = is_right_ && value != values_.end();
    if (!is_right_) return "0";
    std::string text = value->second;
    values_.erase(value);
    return text;
  }
  template <typename T>
  void Take(const std::string& key, T* target) {
    std::istringstream stream(Take(key));
    is_right_ = is_right_ && (stream >> *target) && stream.peek() == std::istringstream::traits_type::eof();
  }
  // Whether all keys were there, and are taken.
  bool IsDone() const { return is_right_ && values_.empty(); }

 private:
  std::map<std::string, std::string> values_;
  bool is_right_;
};

}  // namespace

std::optional<Aipp> Aipp::Parse(const std::string& text) {
  Settings settings(text);
  Aipp aipp;
  if (settings.Take("aipp_mode") != "static") return std::nullopt;
  const std::string format = settings.Take("input_format");
  aipp.is_yuv420sp = format == "YUV420SP_U8";
  if (!aipp.is_yuv420sp && format != "RGB888_U8") return std::nullopt;
  settings.Take("src_image_size_w", &aipp.width);
  settings.Take("src_image_size_h", &aipp.height);
  aipp.converts_colours = settings.Take("csc_switch") == "true";
  if (aipp.converts_colours) {
    if (settings.Take("rbuv_swap_switch") != "false") return std::nullopt;
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 3; ++column) {
        settings.Take("matrix_r" + std::to_string(row) + "c" + std::to_string(column), &aipp.matrix[row][column]);
      }
      settings.Take("input_bias_" + std::to_string(row), &aipp.input_bias[row]);
    }
  }
  for (std::size_t channel = 0; channel < 3; ++channel) {
    settings.Take("mean_chn_" + std::to_string(channel), &aipp.mean[channel]);
    settings.Take("min_chn_" + std::to_string(channel), &aipp.min[channel]);
    settings.Take("var_reci_chn_" + std::to_string(channel), &aipp.reciprocal[channel]);
  }
  if (!settings.IsDone()) return std::nullopt;
  return aipp;
}

std::array<int, 3> Aipp::Pixel(const unsigned char* image, std::size_t y, std::size_t x) const {
  const auto columns = static_cast<std::size_t>(width);
  if (!is_yuv420sp) {
    const unsigned char* pixel = image + 3 * (y * columns + x);
    return {pixel[0], pixel[1], pixel[2]};
  }
  const unsigned char* colours = image + static_cast<std::size_t>(height) * columns + y / 2 * columns + x / 2 * 2;
  return {image[y * columns + x], colours[0], colours[1]};
}

std::vector<float> Aipp::Compute(const unsigned char* image) const {
  const auto pixels = static_cast<std::size_t>(width * height);
  std::vector<float> planes(3 * pixels);
  for (std::size_t index = 0; index < pixels; ++index) {
    const std::array<int, 3> stored =
        Pixel(image, index / static_cast<std::size_t>(width), index % static_cast<std::size_t>(width));
    for (std::size_t channel = 0; channel < 3; ++channel) {
      int value = stored[channel];
      if (converts_colours) {
        int sum = 0;
        for (std::size_t part = 0; part < 3; ++part) sum += matrix[channel][part] * (stored[part] - input_bias[part]);
        value = std::clamp(sum >> 8, 0, 255);
      }
      const float centred = AsHalf(static_cast<float>(value - mean[channel]) - AsHalf(min[channel]));
      planes[channel * pixels + index] = AsHalf(centred * AsHalf(reciprocal[channel]));
    }
  }
  return planes;
}

}  // namespace fake_acl
