#include "jpeg_reader.h"

#include <cerrno>
#include <csetjmp>
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <cstring>
#include <memory>

#include "exif.h"
#include "user_error.h"

namespace native310 {
namespace {

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

// Ignores warnings, as OpenCV does, except for the one that means that missing pixels were filled with grey.
static void OnMessage(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) reinterpret_cast<ErrorHandler*>(info->err)->is_cut_off = true;
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

  Decoder() {
    info.err = jpeg_std_error(&handler.base);
    handler.base.error_exit = OnError;
    handler.base.emit_message = OnMessage;
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Returns false after an error, with handler.message set.
  bool ReadHeaderOnly(std::FILE* stream) {
    if (setjmp(handler.resume) != 0) return false;
    ReadHeader(stream);
    return true;
  }

  // Returns false after an error, with handler.message set.
  bool Decode(std::FILE* stream) {
    if (setjmp(handler.resume) != 0) return false;
    ReadHeader(stream);
    const bool is_cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info);
    image = Image(static_cast<int>(info.output_width), static_cast<int>(info.output_height));
    cmyk_row.resize(is_cmyk ? std::size_t{4} * info.output_width : 0);
    while (info.output_scanline < info.output_height) {
      std::uint8_t* target = image.Row(static_cast<int>(info.output_scanline));
      JSAMPROW row = is_cmyk ? cmyk_row.data() : target;
      jpeg_read_scanlines(&info, &row, 1);
      if (is_cmyk) CmykToRgb(cmyk_row.data(), image.width, target);
    }
    jpeg_finish_decompress(&info);
    return true;
  }

 private:
  void ReadHeader(std::FILE* stream) {
    jpeg_create_decompress(&info);
    jpeg_stdio_src(&info, stream);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
    for (jpeg_saved_marker_ptr marker = info.marker_list; marker != nullptr; marker = marker->next) {
      const int marked = ExifOrientation(marker->data, marker->data_length);
      if (orientation == 1) orientation = marked;
    }
  }
};

using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Stream OpenJpeg(const std::string& path) {
  Stream stream(std::fopen(path.c_str(), "rb"), std::fclose);
  if (stream == nullptr) {
    throw UserError("image " + path + " cannot be opened (" + std::strerror(errno) + "): check the path");
  }
  return stream;
}

void RequireGood(const std::string& path, const Decoder& decoder, bool is_decoded) {
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
  const Stream stream = OpenJpeg(path);
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
  const Stream stream = OpenJpeg(path);
  Decoder decoder;
  RequireGood(path, decoder, decoder.Decode(stream.get()));
  const Image& stored = decoder.image;
  Image upright = ApplyOrientation(stored, decoder.orientation);
  if (width == 0 || (upright.width == width && upright.height == height)) return upright;
  if (stored.width == width && stored.height == height) return stored;
  throw UserError("image " + path + " is " + std::to_string(upright.width) + " x " + std::to_string(upright.height) +
                  " pixels but its annotations say " + std::to_string(width) + " x " + std::to_string(height) +
                  ": restore the image or correct the annotations");
}

}  // namespace native310
