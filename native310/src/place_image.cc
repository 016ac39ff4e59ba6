#include "place_image.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "resize.h"

namespace native310 {

PlacedImage PlaceImage(const Image& image, const InputSize& input_size, bool letterbox) {
  constexpr std::uint8_t kCanvasGrey = 128;
  PlacedImage placed;
  placed.placement.width = image.width;
  placed.placement.height = image.height;
  if (!letterbox) {
    placed.image = Resize(image, input_size.width, input_size.height);
    return placed;
  }
  const double scale = std::min(static_cast<double>(input_size.width) / image.width,
                                static_cast<double>(input_size.height) / image.height);
  // nearbyint rounds halves to even, like Python's round.
  const int inner_width = std::max(1, static_cast<int>(std::nearbyint(image.width * scale)));
  const int inner_height = std::max(1, static_cast<int>(std::nearbyint(image.height * scale)));
  const int left = (input_size.width - inner_width) / 2;
  const int top = (input_size.height - inner_height) / 2;
  const Image inner = Resize(image, inner_width, inner_height);
  placed.image = Image(input_size.width, input_size.height, kCanvasGrey);
  for (int row = 0; row < inner_height; ++row) {
    std::memcpy(placed.image.Row(top + row) + left * kImageChannels, inner.Row(row), inner.RowBytes());
  }
  placed.placement.offset_xy = {static_cast<double>(left) / input_size.width,
                                static_cast<double>(top) / input_size.height};
  placed.placement.share_xy = {static_cast<double>(inner_width) / input_size.width,
                               static_cast<double>(inner_height) / input_size.height};
  return placed;
}

}  // namespace native310
