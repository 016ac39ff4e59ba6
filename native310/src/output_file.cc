#include "output_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "user_error.h"

namespace native310 {

OutputFile::OutputFile(const std::string& path) : path_(path) {
  const std::filesystem::path final_path(path);
  temporary_ = final_path.parent_path() / ("." + final_path.filename().string() + "." + std::to_string(getpid()));
  stream_ = std::fopen(temporary_.c_str(), "wbe");
  if (stream_ == nullptr) Fail();
  std::setvbuf(stream_, nullptr, _IOFBF, 1 << 18);
}

OutputFile::~OutputFile() {
  if (stream_ != nullptr) std::fclose(stream_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::Fail() const {
  throw UserError("file " + path_ + " cannot be written (" + std::strerror(errno) +
                  "): free some disk space or choose another --output");
}

void OutputFile::Write(const void* data, std::size_t bytes) {
  if (std::fwrite(data, 1, bytes, stream_) != bytes) Fail();
}

void OutputFile::Finish() {
  if (std::fclose(std::exchange(stream_, nullptr)) != 0) Fail();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) Fail();
  temporary_.clear();
}

void PrepareFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder)) {
    throw UserError("output folder " + folder + " cannot be created (" +
                    (error ? error.message() : std::string("a file has that name")) + "): choose another --output");
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    throw UserError("output folder " + folder + " cannot be written (" + std::strerror(errno) +
                    "): change its permissions or choose another --output");
  }
}

}  // namespace native310
