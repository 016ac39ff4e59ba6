#include "jpeg_reader.h"

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <cstdint>
#include <utility>

#include "exif.h"
#include "input_file.h"
#include "user_error.h"

namespace native310 {
namespace {

// As in Python (MAX_PIXELS of workflow/lib/yolov3/data/images.py) and OpenCV.
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 30;

// libjpeg's error handler, extended by where to resume after an error and whether the data ended early.
struct ErrorHandler {
  jpeg_error_mgr base;  // first, since libjpeg knows only this part
  std::jmp_buf resume;
  std::array<char, JMSG_LENGTH_MAX> message;
  bool is_cut_off;
};

extern "C" {

[[noreturn]] static void OnError(j_common_ptr info) {
  auto* handler = reinterpret_cast<ErrorHandler*>(info->err);
  info->err->format_message(info, handler->message.data());
  std::longjmp(handler->resume, 1);
}

// Ignores warnings, as OpenCV does, except for the one that means that libjpeg would fill missing pixels with grey.
// Ends there, because to go on takes as long as to decode a complete image.
static void OnMessage(j_common_ptr info, int level) {
  if (level >= 0 || info->err->msg_code != JWRN_JPEG_EOF) return;
  auto* handler = reinterpret_cast<ErrorHandler*>(info->err);
  handler->is_cut_off = true;
  std::longjmp(handler->resume, 1);
}

}  // extern "C"

// Adobe stores CMYK inverted, each ink as 255 minus its amount, so a colour is a product of two stored values.
void CmykToRgb(const std::uint8_t* cmyk, int pixels, std::uint8_t* rgb) {
  for (int pixel = 0; pixel < pixels; ++pixel) {
    const int black = cmyk[4 * pixel + 3];
    for (int channel = 0; channel < kImageChannels; ++channel) {
      const int ink = cmyk[4 * pixel + channel];
      rgb[kImageChannels * pixel + channel] = static_cast<std::uint8_t>(black - (((255 - ink) * black) >> 8));
    }
  }
}

// The state of libjpeg, outside of the stack frame to which longjmp returns.
struct Decoder {
  jpeg_decompress_struct info{};
  ErrorHandler handler{};
  Image image;
  std::vector<std::uint8_t> cmyk_row;
  int orientation = 1;
  bool is_too_large = false;

  Decoder() {
    info.err = jpeg_std_error(&handler.base);
    handler.base.error_exit = OnError;
    handler.base.emit_message = OnMessage;
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Returns false after an error, with handler.message set, or if the image is too large.
  bool ReadHeaderOnly(std::FILE* stream) {
    if (setjmp(handler.resume) != 0) return false;
    return ReadHeader(stream);
  }

  // Returns false after an error, with handler.message set, or if the image is too large.
  bool Decode(std::FILE* stream) {
    if (setjmp(handler.resume) != 0) return false;
    if (!ReadHeader(stream)) return false;
    const bool is_cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info);
    image.width = static_cast<int>(info.output_width);
    image.height = static_cast<int>(info.output_height);
    // Memory is taken row by row, so that a header without an image takes none.
    image.pixels.reserve(image.RowBytes() * info.output_height);
    cmyk_row.resize(is_cmyk ? std::size_t{4} * info.output_width : 0);
    while (info.output_scanline < info.output_height) {
      image.pixels.resize(image.pixels.size() + image.RowBytes());
      std::uint8_t* target = image.Row(static_cast<int>(info.output_scanline));
      JSAMPROW row = is_cmyk ? cmyk_row.data() : target;
      jpeg_read_scanlines(&info, &row, 1);
      if (is_cmyk) CmykToRgb(cmyk_row.data(), image.width, target);
    }
    jpeg_finish_decompress(&info);
    return true;
  }

 private:
  bool ReadHeader(std::FILE* stream) {
    jpeg_create_decompress(&info);
    jpeg_stdio_src(&info, stream);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
    if (std::int64_t{info.image_width} * info.image_height > kMaxPixels) {
      is_too_large = true;
      return false;
    }
    // OpenCV reads the first APP1 segment only, even if that holds something else.
    if (info.marker_list != nullptr) {
      orientation = ExifOrientation(info.marker_list->data, info.marker_list->data_length);
    }
    return true;
  }
};

void RequireGood(const std::string& path, const Decoder& decoder, bool is_decoded) {
  if (decoder.is_too_large) {
    throw UserError("image " + path + " has " + std::to_string(decoder.info.image_width) + " x " +
                    std::to_string(decoder.info.image_height) + " pixels, more than " + std::to_string(kMaxPixels) +
                    ": cut it into smaller ones");
  }
  if (decoder.handler.is_cut_off) throw UserError("image " + path + " is cut off: restore it");
  if (!is_decoded) {
    throw UserError("image " + path + " cannot be read as JPEG (" + decoder.handler.message.data() +
                    "): restore it or convert it to JPEG");
  }
}

// Returns how many luma pixels a pixel of the colours covers; 0 if that is no whole number or not that of both colours.
int ColourStep(int luma, int blue, int red) { return blue == red && luma % blue == 0 ? luma / blue : 0; }

}  // namespace

JpegHeader ReadJpegHeader(const std::string& path) {
  const InputStream stream = OpenInput("image", path, "check the path");
  Decoder decoder;
  RequireGood(path, decoder, decoder.ReadHeaderOnly(stream.get()));
  jpeg_decompress_struct& info = decoder.info;
  JpegHeader header;
  header.width = static_cast<int>(info.image_width);
  header.height = static_cast<int>(info.image_height);
  header.is_progressive = info.progressive_mode == TRUE;
  header.is_arithmetic = info.arith_code == TRUE;
  header.has_several_scans = jpeg_has_multiple_scans(&info) == TRUE;
  header.is_ycc_or_grey = info.jpeg_color_space == JCS_YCbCr || info.jpeg_color_space == JCS_GRAYSCALE;
  header.orientation = decoder.orientation;
  if (info.num_components == kImageChannels) {
    const jpeg_component_info* parts = info.comp_info;
    header.colour_step_x = ColourStep(parts[0].h_samp_factor, parts[1].h_samp_factor, parts[2].h_samp_factor);
    header.colour_step_y = ColourStep(parts[0].v_samp_factor, parts[1].v_samp_factor, parts[2].v_samp_factor);
  }
  return header;
}

Image ReadJpeg(const std::string& path, int width, int height) {
  const InputStream stream = OpenInput("image", path, "check the path");
  Decoder decoder;
  RequireGood(path, decoder, decoder.Decode(stream.get()));
  Image& stored = decoder.image;
  const bool is_turned = SwapsSides(decoder.orientation);
  const int upright_width = is_turned ? stored.height : stored.width;
  const int upright_height = is_turned ? stored.width : stored.height;
  if (width == 0 || (upright_width == width && upright_height == height)) {
    return ApplyOrientation(std::move(stored), decoder.orientation);
  }
  if (stored.width == width && stored.height == height) return std::move(stored);
  throw UserError("image " + path + " is " + std::to_string(upright_width) + " x " + std::to_string(upright_height) +
                  " pixels but its annotations say " + std::to_string(width) + " x " + std::to_string(height) +
                  ": restore the image or correct the annotations");
}

}  // namespace native310
