// Checks of a model file that every engine makes before it passes the file to the vendor's library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network_io.h"

namespace native310 {

struct ModelFile {
  std::string extension;  // lower case, with the dot
  std::string start;      // the first 16 bytes
};

// Throws UserError unless the file can be read, is not empty and has one of the extensions; `advice` says what to do
// with a file of another kind.
ModelFile CheckModelFile(const std::string& path, const std::string& engine, const std::vector<std::string>& extensions,
                         const std::string& advice);

// Returns the specification of an input of this shape; `hint` decides only if both layouts fit the shape. Throws
// UserError if the shape is not that of a batch of RGB images.
InputSpec InputSpecFrom(const std::string& path, const std::vector<std::int64_t>& shape, Layout hint, ElementType type);

// Returns the first line of a vendor's message without its full stop, to be part of a sentence.
std::string FirstLine(const std::string& message);

}  // namespace native310
