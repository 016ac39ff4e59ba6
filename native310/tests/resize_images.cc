// Resizes images, many in one process, for comparison with Python:
//   resize_images < IMAGES > RESIZED
// IMAGES holds, for each image, its width and height and those that it gets as int32, then its pixels, uint8 [height,
// width, 3]. RESIZED receives the pixels alone.
#include <array>
#include <cstdint>
#include <cstdio>

#include "resize.h"

int main() {
  for (std::array<std::int32_t, 4> sizes{}; std::fread(sizes.data(), sizeof sizes, 1, stdin) == 1;) {
    native310::Image image(sizes[0], sizes[1]);
    if (std::fread(image.pixels.data(), 1, image.pixels.size(), stdin) != image.pixels.size()) return 1;
    const native310::Image resized = native310::Resize(image, sizes[2], sizes[3]);
    if (std::fwrite(resized.pixels.data(), 1, resized.pixels.size(), stdout) != resized.pixels.size()) return 1;
  }
  return 0;
}
