#include "raw_maps.h"

#include <algorithm>
#include <cstring>

#include "user_error.h"

namespace native310 {

RawMapViews FindRawMaps(const std::vector<OutputView>& outputs, const std::string& model_path,
                        const ModelDescription& model, int batch, std::size_t position) {
  RawMapViews views;
  const int depth = kAnchorsPerStride * model.values_per_anchor();
  const auto channels = static_cast<std::size_t>(depth);
  for (std::size_t index = 0; index < kStrides.size(); ++index) {
    RawMapView& map = views[index];
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
    const bool is_nchw = nchw == nhwc ? output->layout_hint == Layout::kNchw : output->shape == nchw;
    map.values = output->data + position * channels * map.cells();
    map.channel_step = is_nchw ? map.cells() : 1;
    map.cell_step = is_nchw ? 1 : channels;
  }
  return views;
}

void CopyRawMaps(const RawMapViews& views, const ModelDescription& model, RawMaps* maps) {
  const auto channels = static_cast<std::size_t>(kAnchorsPerStride * model.values_per_anchor());
  for (std::size_t index = 0; index < views.size(); ++index) {
    const RawMapView& view = views[index];
    RawMap& map = (*maps)[index];
    map.height = view.height;
    map.width = view.width;
    map.values.resize(channels * view.cells());
    if (view.cell_step == 1) {
      std::memcpy(map.values.data(), view.values, map.values.size() * sizeof(float));
      continue;
    }
    float* target = map.values.data();
    for (std::size_t channel = 0; channel < channels; ++channel) {
      for (std::size_t cell = 0; cell < view.cells(); ++cell) *target++ = view.values[cell * view.cell_step + channel];
    }
  }
}

}  // namespace native310
