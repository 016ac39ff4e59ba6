#include "raw_maps.h"

#include <algorithm>
#include <cstring>

#include "user_error.h"

namespace native310 {

void CopyRawMaps(const std::vector<OutputView>& outputs, const std::string& model_path, const ModelDescription& model,
                 int batch, std::size_t position, RawMaps* maps) {
  const int depth = kAnchorsPerStride * model.values_per_anchor();
  const auto channels = static_cast<std::size_t>(depth);
  for (std::size_t index = 0; index < kStrides.size(); ++index) {
    RawMap& map = (*maps)[index];
    map.height = model.input_size.height / kStrides[index];
    map.width = model.input_size.width / kStrides[index];
    const std::vector<std::int64_t> nchw = {batch, depth, map.height, map.width};
    const std::vector<std::int64_t> nhwc = {batch, map.height, map.width, depth};
    const auto output = std::find_if(outputs.begin(), outputs.end(),
                                     [&](const OutputView& view) { return view.shape == nchw || view.shape == nhwc; });
    if (output == outputs.end()) {
      std::string shapes;
      for (const OutputView& view : outputs) shapes += (shapes.empty() ? "" : ", ") + ToString(view.shape);
      throw UserError("model " + model_path + " has outputs of shapes " + shapes + " but a raw map of " +
                      std::to_string(channels) + " channels on a grid of " + std::to_string(map.height) + " x " +
                      std::to_string(map.width) +
                      " is needed: export it with keep_detect off, and with the classes of its description");
    }
    const std::size_t cells = static_cast<std::size_t>(map.height) * static_cast<std::size_t>(map.width);
    map.values.resize(channels * cells);
    const float* source = output->data + position * map.values.size();
    const bool is_nchw = nchw == nhwc ? output->layout_hint == Layout::kNchw : output->shape == nchw;
    if (is_nchw) {
      std::memcpy(map.values.data(), source, map.values.size() * sizeof(float));
      continue;
    }
    float* target = map.values.data();
    for (std::size_t channel = 0; channel < channels; ++channel) {
      for (std::size_t cell = 0; cell < cells; ++cell) *target++ = source[cell * channels + channel];
    }
  }
}

}  // namespace native310
