// JPEG files as network input.
#pragma once

#include <string>
#include <vector>

#include "image_ids.h"
#include "image_source.h"
#include "model_description.h"

namespace native310 {

class JpegSource : public ImageSource {
 public:
  // `input` is a folder of .jpg, .jpeg and .jpe files, a .txt list with one path a line (relative to the list's
  // folder), or one JPEG file. Ids come from `annotations` (COCO) unless it is empty, else from the names. Throws
  // UserError.
  JpegSource(const std::string& input, const std::string& annotations, const ModelDescription& model);

  std::size_t size() const override { return entries_.size(); }
  std::string Name(std::size_t index) const override;
  bool allows_parallel_reads() const override { return true; }
  ImageInfo Read(std::size_t index, const InputSpec& spec, void* target) override;

 private:
  struct Entry {
    std::string path;
    AnnotatedImage image;
  };

  void CheckNames() const;

  bool letterbox_;
  MeanStd mean_std_;
  std::vector<Entry> entries_;
};

}  // namespace native310
