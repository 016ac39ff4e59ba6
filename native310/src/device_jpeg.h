// The part of reading JPEG files that Ascend's DVPP can take over: which files, and where it places them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jpeg_decoder.h"
#include "jpeg_reader.h"
#include "network_io.h"

namespace native310 {

// Like PlaceImage, within the limits of DVPP: of an odd side the last pixel is cut off, a letterboxed image has even
// sides, and its left edge is the nearest possible multiple of 16. The placement says where the image really is, so
// boxes are as accurate.
DevicePlace PlaceOnDevice(int width, int height, const InputSize& input_size, bool letterbox);

// Returns why DVPP cannot decode the file or resize it to its place, to be part of a sentence; "" if it can.
std::string WhyHostDecodes(const JpegHeader& header, const DevicePlace& place);

// Returns a JPEG file without its APP1 segments (EXIF); nothing if its end is missing.
std::vector<std::uint8_t> WithoutExif(const std::vector<std::uint8_t>& jpeg);

// Reads a file for JpegDecoder::Decode. Returns nothing if its end is missing. Throws UserError if it cannot be read.
std::vector<std::uint8_t> ReadForDevice(const std::string& path);

}  // namespace native310
