// Text files that name images.
#pragma once

#include <string>
#include <vector>

namespace native310 {

// Reads one path a line, without empty lines, spaces at the ends of lines and a byte order mark. Throws UserError if
// the file cannot be read.
std::vector<std::string> ReadImageList(const std::string& path);

}  // namespace native310
