// JPEG files as network input.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "image_ids.h"
#include "image_source.h"
#include "jpeg_decoder.h"
#include "model_description.h"

namespace native310 {

class JpegSource : public ImageSource {
 public:
  // `input` is a folder of .jpg, .jpeg and .jpe files, a .txt list with one path a line (relative to the list's
  // folder), or one JPEG file. Ids come from `annotations` (COCO) unless it is empty, else from the names. Throws
  // UserError.
  JpegSource(const std::string& input, const std::string& annotations, const ModelDescription& model);

  // Finds the files that the device's decoder reads; says on standard error which ones it leaves to the host, and why.
  void UseDeviceOf(Engine* engine) override;
  std::size_t size() const override { return entries_.size(); }
  std::string Name(std::size_t index) const override;
  bool allows_parallel_reads() const override { return true; }
  ImageInfo Read(std::size_t index, const InputSpec& spec, void* target) override;

 private:
  struct Entry {
    std::string path;
    AnnotatedImage image;
    std::optional<DevicePlace> device_place;  // if the device decodes it
  };

  void CheckNames() const;
  // Returns why the host has to decode the image, "" if the device does.
  std::string OfferToDevice(const InputSize& input_size, Entry* entry) const;
  void DecodeOnDevice(const std::vector<std::uint8_t>& jpeg, const Entry& entry, void* target) const;

  bool letterbox_;
  MeanStd mean_std_;
  JpegDecoder* decoder_ = nullptr;  // of the device
  std::vector<Entry> entries_;
};

}  // namespace native310
