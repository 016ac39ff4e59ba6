// Decodes JPEG files by Ascend's DVPP: the JPEG decoder (JPEGD), then the image processor (VPC).
//
// VPC writes YUV420SP only, whose colours have half the resolution. For a network that takes YUV420SP this is its
// input. For one that takes RGB, VPC also resizes to twice the size, of which the colours are taken, and the host
// converts.
#pragma once

#include <acl/acl.h>
// CANN's header refuses to be included without it.
#ifndef ENABLE_DVPP_INTERFACE
#define ENABLE_DVPP_INTERFACE
#endif
#include <acl/ops/acl_dvpp.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "acl_releases.h"
#include "jpeg_decoder.h"
#include "network_io.h"

namespace native310 {

class DvppDecoder : public JpegDecoder {
 public:
  // Whether it can write such an input: of bytes, and if it is RGB, NHWC and not too large to be doubled.
  static bool Writes(const InputSpec& spec);

  // `is_host`: host and device have memories of their own.
  DvppDecoder(aclrtContext context, bool is_host, const InputSpec& spec);

  // Opens a channel of DVPP in the context, which is current, and adds to `releases` how it is closed; the decoder must
  // live until then, even if this fails. Throws UserError.
  void Open(Releases* releases);

  void Decode(const std::vector<std::uint8_t>& jpeg, const DevicePlace& place, void* target) override;

 private:
  // Device memory, reused by all images.
  struct Buffer {
    void* data = nullptr;
    std::size_t bytes = 0;
  };
  // The network input, enlarged by a whole factor.
  struct Output {
    int scale = 1;
    Buffer buffer;
    acldvppPicDesc* picture = nullptr;
    acldvppRoiConfig* paste = nullptr;
  };

  void OpenChannel(Releases* releases);
  // Makes a buffer large enough; its content is lost.
  void Reserve(std::size_t bytes, Buffer* buffer) const;
  void OpenOutput(Releases* releases, Output* output) const;
  void DecodeStored(const std::vector<std::uint8_t>& jpeg, const EvenArea& crop);
  void Resize(const DevicePlace& place, const Output& output) const;
  void WaitFor(const char* function) const;
  void Download(const void* source, std::size_t bytes, void* target) const;

  aclrtContext context_;
  bool is_host_;
  InputSpec spec_;
  std::uint32_t width_alignment_ = 0;
  aclrtStream stream_ = nullptr;
  acldvppChannelDesc* channel_ = nullptr;
  acldvppResizeConfig* resizing_ = nullptr;
  acldvppPicDesc* decoded_ = nullptr;
  acldvppRoiConfig* crop_ = nullptr;
  Buffer jpeg_buffer_;
  Buffer decoded_buffer_;
  std::vector<Output> outputs_;
  std::vector<std::uint8_t> luma_;
  std::vector<std::uint8_t> colours_;
  std::mutex mutex_;
};

}  // namespace native310
