// Writes the network input of a JPEG file before normalisation, for comparison with Python:
//   dump_image IMAGE.jpg HEIGHT WIDTH LETTERBOX(0|1) OUTPUT
// OUTPUT receives uint8 [height, width, 3]; the placement goes to standard output.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "jpeg_reader.h"
#include "output_file.h"
#include "place_image.h"

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  try {
    const native310::InputSize size = {std::atoi(argv[2]), std::atoi(argv[3])};
    const native310::PlacedImage placed =
        native310::PlaceImage(native310::ReadJpeg(argv[1], 0, 0), size, argv[4][0] == '1');
    native310::OutputFile output(argv[5]);
    output.Write(placed.image.pixels.data(), placed.image.pixels.size());
    output.Finish();
    const native310::Placement& place = placed.placement;
    std::printf("%d %d %.17g %.17g %.17g %.17g\n", place.width, place.height, place.offset_xy[0], place.offset_xy[1],
                place.share_xy[0], place.share_xy[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dump_image: %s\n", error.what());
    return 1;
  }
}
