// Images prepared by the workflow: raw .bin files and an index.json (format in native310/README.md).
#pragma once

#include <string>
#include <vector>

#include "image_source.h"
#include "model_description.h"
#include "normalise.h"

namespace native310 {

struct JsonFile;

class BinsSource : public ImageSource {
 public:
  // Reads and checks <folder>/index.json; the bins must be made for `model`. Throws UserError.
  BinsSource(const std::string& folder, const ModelDescription& model);

  std::size_t size() const override { return entries_.size(); }
  std::string Name(std::size_t index) const override { return entries_[index].info.name; }
  bool allows_parallel_reads() const override { return true; }
  ImageInfo Read(std::size_t index, const InputSpec& spec, void* target) override;

 private:
  struct Entry {
    ImageInfo info;
    std::string file;
  };

  void ReadIndex(const JsonFile& file);
  void CheckFitsModel(const std::string& path, const ModelDescription& model) const;
  void CheckUnique(const JsonFile& file) const;
  void ReadBin(const std::string& path, std::size_t bytes, void* target) const;

  std::string folder_;
  InputSize input_size_;
  ElementType type_ = ElementType::kFloat32;
  Layout layout_ = Layout::kNchw;
  MeanStd mean_std_;
  std::vector<Entry> entries_;
};

}  // namespace native310
