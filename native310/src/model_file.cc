#include "model_file.h"

#include <strings.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "user_error.h"

namespace native310 {
namespace {

// Largest batch and side; so that their product, in bytes, has less than 63 bits.
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 16;

}  // namespace

ModelFile CheckModelFile(const std::string& path, const std::string& engine, const std::vector<std::string>& extensions,
                         const std::string& advice) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw UserError("model " + path + " cannot be opened (" + std::strerror(errno) + "): check the path");
  }
  ModelFile file;
  file.start.resize(16);
  stream.read(file.start.data(), static_cast<std::streamsize>(file.start.size()));
  if (stream.gcount() < static_cast<std::streamsize>(file.start.size())) {
    throw UserError("model " + path + " has only " + std::to_string(stream.gcount()) + " bytes: export it again");
  }
  const std::string actual = std::filesystem::path(path).extension();
  std::string choices;
  for (const std::string& extension : extensions) {
    file.extension = extension;
    if (strcasecmp(actual.c_str(), extension.c_str()) == 0) return file;
    choices += (choices.empty() ? "" : " or ") + extension;
  }
  throw UserError("engine " + engine + " reads " + choices + " files but the model is " + path + ": " + advice);
}

InputSpec InputSpecFrom(const std::string& path, const std::vector<std::int64_t>& shape, Layout hint,
                        ElementType type) {
  const auto is_side = [](std::int64_t pixels) {
    return pixels > 0 && pixels <= kMaxExtent && pixels % kStrides.back() == 0;
  };
  const auto is_layout = [&shape, &is_side](std::size_t channels, std::size_t rows, std::size_t columns) {
    return shape.size() == 4 && shape[0] > 0 && shape[0] <= kMaxExtent && shape[channels] == kImageChannels &&
           is_side(shape[rows]) && is_side(shape[columns]);
  };
  const bool nchw = is_layout(1, 2, 3);
  const bool nhwc = is_layout(3, 1, 2);
  if (!nchw && !nhwc) {
    throw UserError(
        "model " + path + " has an input of shape " + ToString(shape) +
        ", not a batch of RGB images with sides that are multiples of 32, up to 65536: export it with a fixed shape");
  }
  InputSpec spec;
  spec.layout = nchw && nhwc ? hint : (nchw ? Layout::kNchw : Layout::kNhwc);
  spec.type = type;
  spec.batch = static_cast<int>(shape[0]);
  const std::size_t rows = spec.layout == Layout::kNchw ? 2 : 1;
  spec.size = {static_cast<int>(shape[rows]), static_cast<int>(shape[rows + 1])};
  return spec;
}

std::string FirstLine(const std::string& message) {
  const std::size_t first = message.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "no reason given";
  const std::string line = message.substr(first, message.find_first_of("\r\n", first) - first);
  return line.substr(0, line.find_last_not_of(". ") + 1);
}

}  // namespace native310
