#include "fake_picture.h"

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jpeglib.h>

#include <algorithm>
#include <cmath>

namespace fake_acl {
namespace {

constexpr unsigned char kNoColour = 128;
// What JPEGD leaves beside the picture is not documented; this shows as green if it is used.
constexpr unsigned char kPadding = 0;

struct ErrorHandler {
  jpeg_error_mgr base;
  std::jmp_buf resume;
};

extern "C" {
[[noreturn]] static void OnError(j_common_ptr info) {
  std::longjmp(reinterpret_cast<ErrorHandler*>(info->err)->resume, 1);
}
static void OnMessage(j_common_ptr, int) {}
}

struct Decoder {
  jpeg_decompress_struct info{};
  ErrorHandler handler{};
  std::vector<unsigned char> pixels;  // YCbCr [height, width, 3], or grey [height, width]

  Decoder() {
    info.err = jpeg_std_error(&handler.base);
    handler.base.error_exit = OnError;
    handler.base.emit_message = OnMessage;
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool Run(const unsigned char* jpeg, std::size_t bytes, bool decodes) {
    if (setjmp(handler.resume) != 0) return false;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, jpeg, static_cast<unsigned long>(bytes));
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
    if (!decodes) return true;
    info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
    jpeg_start_decompress(&info);
    const std::size_t row_bytes = std::size_t{info.output_width} * static_cast<std::size_t>(info.output_components);
    pixels.resize(row_bytes * info.output_height);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels.data() + row_bytes * info.output_scanline;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
  }
};

// The weights of the source values of one target value.
struct Taps {
  std::size_t first = 0;
  std::vector<double> weights;
};

std::vector<Taps> TriangleTaps(std::size_t source, std::size_t target) {
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  const double support = std::max(1.0, scale);
  std::vector<Taps> taps(target);
  for (std::size_t index = 0; index < target; ++index) {
    const double centre = (static_cast<double>(index) + 0.5) * scale;
    const auto first = static_cast<std::size_t>(std::max(0.0, std::floor(centre - support + 0.5)));
    const auto end = std::min(source, static_cast<std::size_t>(std::floor(centre + support + 0.5)));
    taps[index].first = first;
    double sum = 0;
    for (std::size_t position = first; position < end; ++position) {
      const double distance = std::fabs((static_cast<double>(position) + 0.5 - centre) / support);
      taps[index].weights.push_back(std::max(0.0, 1 - distance));
      sum += taps[index].weights.back();
    }
    for (double& weight : taps[index].weights) weight /= sum;
  }
  return taps;
}

// Resizes one channel; `pixel_stride` is the distance of its values in a row.
void ResizePlane(const unsigned char* source, std::size_t source_stride, std::size_t source_width,
                 std::size_t source_height, unsigned char* target, std::size_t target_stride, std::size_t target_width,
                 std::size_t target_height, std::size_t pixel_stride) {
  const std::vector<Taps> columns = TriangleTaps(source_width, target_width);
  const std::vector<Taps> rows = TriangleTaps(source_height, target_height);
  std::vector<double> narrow(source_height * target_width);
  for (std::size_t y = 0; y < source_height; ++y) {
    for (std::size_t x = 0; x < target_width; ++x) {
      for (std::size_t tap = 0; tap < columns[x].weights.size(); ++tap) {
        narrow[y * target_width + x] +=
            columns[x].weights[tap] * source[y * source_stride + (columns[x].first + tap) * pixel_stride];
      }
    }
  }
  for (std::size_t y = 0; y < target_height; ++y) {
    for (std::size_t x = 0; x < target_width; ++x) {
      double value = 0;
      for (std::size_t tap = 0; tap < rows[y].weights.size(); ++tap) {
        value += rows[y].weights[tap] * narrow[(rows[y].first + tap) * target_width + x];
      }
      target[y * target_stride + x * pixel_stride] =
          static_cast<unsigned char>(std::clamp(std::nearbyint(value), 0.0, 255.0));
    }
  }
}

}  // namespace

std::optional<JpegInfo> ReadJpegInfo(const unsigned char* data, std::size_t bytes) {
  Decoder decoder;
  if (!decoder.Run(data, bytes, false)) return std::nullopt;
  const jpeg_decompress_struct& info = decoder.info;
  return JpegInfo{info.image_width,        info.image_height,
                  info.num_components,     info.progressive_mode == TRUE,
                  info.arith_code == TRUE, info.marker_list != nullptr};
}

bool DecodeJpeg(const unsigned char* jpeg, std::size_t bytes, const Picture& target) {
  Decoder decoder;
  if (!decoder.Run(jpeg, bytes, true)) return false;
  const auto parts = static_cast<std::size_t>(decoder.info.output_components);
  const auto stored = [&](std::size_t y, std::size_t x, std::size_t part) {
    return static_cast<int>(decoder.pixels[(y * target.width + x) * parts + part]);
  };
  std::fill_n(target.data, target.width_stride * target.height_stride * 3 / 2, kPadding);
  for (std::size_t y = 0; y < target.height; ++y) {
    for (std::size_t x = 0; x < target.width; ++x) {
      target.data[y * target.width_stride + x] = static_cast<unsigned char>(stored(y, x, 0));
    }
  }
  for (std::size_t y = 0; y + 1 < target.height; y += 2) {
    for (std::size_t x = 0; x + 1 < target.width; x += 2) {
      for (std::size_t colour = 0; colour < 2; ++colour) {
        unsigned char& value = target.Colours()[y / 2 * target.width_stride + x + colour];
        if (parts == 1) {
          value = kNoColour;
          continue;
        }
        const int sum = stored(y, x, 1 + colour) + stored(y, x + 1, 1 + colour) + stored(y + 1, x, 1 + colour) +
                        stored(y + 1, x + 1, 1 + colour);
        value = static_cast<unsigned char>((sum + 2) / 4);
      }
    }
  }
  return true;
}

void ResizePicture(const Picture& source, const Area& from, const Picture& target, const Area& to) {
  ResizePlane(source.data + from.top * source.width_stride + from.left, source.width_stride, from.width, from.height,
              target.data + to.top * target.width_stride + to.left, target.width_stride, to.width, to.height, 1);
  for (std::size_t colour = 0; colour < 2; ++colour) {
    ResizePlane(source.Colours() + from.top / 2 * source.width_stride + from.left + colour, source.width_stride,
                from.width / 2, from.height / 2, target.Colours() + to.top / 2 * target.width_stride + to.left + colour,
                target.width_stride, to.width / 2, to.height / 2, 2);
  }
}

}  // namespace fake_acl
