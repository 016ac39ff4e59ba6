#include "raw_maps.h"

#include <cstring>
#include <utility>

#include "user_error.h"

namespace native310 {

RawMapCollector::RawMapCollector(std::string model, const InputSpec& spec, int channels)
    : model_(std::move(model)), spec_(spec), channels_(channels) {}

RawMapCollector::Match RawMapCollector::Find(const std::vector<OutputView>& outputs, int height, int width) const {
  const std::vector<std::int64_t> nchw = {spec_.batch, channels_, height, width};
  const std::vector<std::int64_t> nhwc = {spec_.batch, height, width, channels_};
  for (const OutputView& output : outputs) {
    const bool is_nchw = output.shape == nchw;
    const bool is_nhwc = output.shape == nhwc;
    if (is_nchw && is_nhwc) return {&output, output.layout_hint};
    if (is_nchw || is_nhwc) return {&output, is_nchw ? Layout::kNchw : Layout::kNhwc};
  }
  std::string shapes;
  for (const OutputView& output : outputs) {
    shapes += (shapes.empty() ? "" : ", ") + ToString(output.shape);
  }
  throw UserError("model " + model_ + " has outputs of shapes " + shapes + " but a raw map of " +
                  std::to_string(channels_) + " channels on a grid of " + std::to_string(height) + " x " +
                  std::to_string(width) +
                  " is needed: export it with keep_detect off, and with the classes of its description");
}

void RawMapCollector::Collect(const std::vector<OutputView>& outputs, int position, RawMaps* maps) const {
  for (std::size_t index = 0; index < kStrides.size(); ++index) {
    RawMap& map = (*maps)[index];
    map.channels = channels_;
    map.height = spec_.size.height / kStrides[index];
    map.width = spec_.size.width / kStrides[index];
    const Match match = Find(outputs, map.height, map.width);
    const auto channels = static_cast<std::size_t>(channels_);
    const std::size_t cells = static_cast<std::size_t>(map.height) * static_cast<std::size_t>(map.width);
    map.values.resize(channels * cells);
    const float* source = match.output->data + static_cast<std::size_t>(position) * map.values.size();
    if (match.layout == Layout::kNchw) {
      std::memcpy(map.values.data(), source, map.values.size() * sizeof(float));
      continue;
    }
    for (std::size_t channel = 0; channel < channels; ++channel) {
      for (std::size_t cell = 0; cell < cells; ++cell) {
        map.values[channel * cells + cell] = source[cell * channels + channel];
      }
    }
  }
}

}  // namespace native310
