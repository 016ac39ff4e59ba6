// Pixels of the fake DVPP: decoding and resizing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace fake_acl {

// What a JPEG file's header says.
struct JpegInfo {
  std::uint32_t width = 0, height = 0;
  int components = 0;
  bool is_progressive = false;
  bool is_arithmetic = false;
  bool has_exif = false;
};

// Returns nothing if the data are no JPEG file.
std::optional<JpegInfo> ReadJpegInfo(const unsigned char* data, std::size_t bytes);

// YUV420SP (NV12), with the strides of its planes in memory.
struct Picture {
  unsigned char* data = nullptr;
  std::size_t width = 0, height = 0, width_stride = 0, height_stride = 0;

  unsigned char* Colours() const { return data + width_stride * height_stride; }
};

// Decodes a JPEG file into a picture of its size; odd sides lose a column or row of the colours. Returns whether it
// could.
bool DecodeJpeg(const unsigned char* jpeg, std::size_t bytes, const Picture& target);

struct Area {
  std::size_t left = 0, top = 0, width = 0, height = 0;
};

// Resizes an area of a picture to an area of another, bilinearly; the filter widens when it shrinks, as Pillow's does.
void ResizePicture(const Picture& source, const Area& from, const Picture& target, const Area& to);

}  // namespace fake_acl
