#include "image_list.h"

#include <fstream>

#include "input_file.h"
#include "user_error.h"

namespace native310 {

std::vector<std::string> ReadImageList(const std::string& path) {
  constexpr char kRemedy[] = "check --input";
  RequireRegularFile("image list", path, kRemedy);
  std::ifstream stream(path, std::ios::binary);
  std::vector<std::string> lines;
  // Windows programs begin UTF-8 files with it.
  std::string byte_order_mark = "\xEF\xBB\xBF";
  for (std::string line; std::getline(stream, line); byte_order_mark.clear()) {
    if (!byte_order_mark.empty() && line.rfind(byte_order_mark, 0) == 0) line.erase(0, byte_order_mark.size());
    line.erase(line.find_last_not_of("\r \t") + 1);
    if (!line.empty()) lines.push_back(line);
  }
  // The end of the file sets eof, an error does not.
  if (!stream.eof()) throw UserError("image list " + path + " cannot be read: " + kRemedy + " and its permissions");
  return lines;
}

}  // namespace native310
