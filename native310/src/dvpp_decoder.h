// Decodes JPEG files by Ascend's DVPP: the JPEG decoder (JPEGD), then the image processor (VPC).
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
  // `is_host`: host and device have memories of their own.
  DvppDecoder(aclrtContext context, bool is_host, const InputSize& input_size);

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

  void OpenChannel(Releases* releases);
  // Makes a buffer large enough; its content is lost.
  void Reserve(std::size_t bytes, Buffer* buffer) const;
  void DescribeOutput();
  void DecodeStored(const std::vector<std::uint8_t>& jpeg, const EvenArea& crop);
  void Resize(const DevicePlace& place);
  void WaitFor(const char* function) const;
  static void Set(acldvppRoiConfig* config, const EvenArea& area);

  aclrtContext context_;
  bool is_host_;
  InputSize input_size_;
  std::uint32_t width_alignment_ = 0;
  aclrtStream stream_ = nullptr;
  acldvppChannelDesc* channel_ = nullptr;
  acldvppResizeConfig* resizing_ = nullptr;
  acldvppPicDesc* decoded_ = nullptr;
  acldvppPicDesc* resized_ = nullptr;
  acldvppRoiConfig* crop_ = nullptr;
  acldvppRoiConfig* paste_ = nullptr;
  Buffer jpeg_buffer_;
  Buffer decoded_buffer_;
  Buffer resized_buffer_;
  std::mutex mutex_;
};

}  // namespace native310
