#include "output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "user_error.h"

namespace native310 {
namespace {

constexpr std::size_t kBufferBytes = 1 << 18;

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(path) {
  const std::filesystem::path final_path(path);
  temporary_ =
      (final_path.parent_path() / ("." + final_path.filename().string() + "." + std::to_string(getpid()))).string();
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) Fail(errno);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::Fail(int error) const {
  throw UserError("file " + path_ + " cannot be written (" + std::strerror(error) +
                  "): free some disk space or choose another --output");
}

void OutputFile::WriteOut(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = write(descriptor_, data, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail(errno);
    data += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void OutputFile::Flush() {
  WriteOut(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void OutputFile::Write(const void* data, std::size_t bytes) {
  if (buffer_.size() + bytes > kBufferBytes) Flush();
  if (bytes > kBufferBytes) {
    WriteOut(static_cast<const char*>(data), bytes);
  } else {
    buffer_.append(static_cast<const char*>(data), bytes);
  }
}

void OutputFile::Finish() {
  Flush();
  const int result = close(descriptor_);
  descriptor_ = -1;
  if (result != 0) Fail(errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) Fail(errno);
  temporary_.clear();
}

std::string FinalName(const std::string& temporary_name) {
  const std::size_t dot = temporary_name.rfind('.');
  const bool is_temporary = temporary_name.front() == '.' && dot > 0 && dot + 1 < temporary_name.size() &&
                            temporary_name.find_first_not_of("0123456789", dot + 1) == std::string::npos;
  return is_temporary ? temporary_name.substr(1, dot - 1) : "";
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

void RemoveFile(const std::string& path) {
  std::error_code error;
  std::filesystem::remove(path, error);
  if (error) {
    throw UserError("file " + path + " of an earlier run cannot be removed (" + error.message() +
                    "): change its permissions or choose another --output");
  }
}

}  // namespace native310
