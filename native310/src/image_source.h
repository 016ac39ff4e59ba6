// A sequence of images ready for the network.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "coco_id.h"
#include "network_io.h"
#include "placement.h"

namespace native310 {

class Engine;
struct ModelDescription;

struct ImageInfo {
  CocoId id;
  std::string name;  // stem of the names of result files
  Placement placement;
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;

  virtual std::size_t size() const = 0;

  // Returns the stem of the result files of image `index`.
  virtual std::string Name(std::size_t index) const = 0;

  // Whether several threads may call Read() at once.
  virtual bool allows_parallel_reads() const { return false; }

  // Called once before the first image is read: lets the engine's device do what it can of the reading. Throws
  // UserError if the engine fails or a file cannot be read.
  virtual void UseDeviceOf(Engine*) {}

  // Writes image `index` to `target`, which holds spec.ImageBytes() bytes. Throws UserError if it cannot be read.
  virtual ImageInfo Read(std::size_t index, const InputSpec& spec, void* target) = 0;
};

// Opens --input: a folder with index.json holds bins; any other folder, a .txt list and a single file are read as JPEG
// files. Throws UserError if there is nothing to read.
std::unique_ptr<ImageSource> OpenSource(const std::string& input, const std::string& annotations,
                                        const ModelDescription& model);

}  // namespace native310
