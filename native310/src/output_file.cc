#include "output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "user_error.h"

namespace native310 {
namespace {

constexpr char kTemporaryPrefix[] = ".native310.";
constexpr std::size_t kRandomDigits = 16;
constexpr char kDigits[] = "0123456789abcdef";

std::string TemporaryName() {
  std::random_device random;
  std::uniform_int_distribution<std::size_t> place(0, sizeof kDigits - 2);
  std::string name = kTemporaryPrefix;
  for (std::size_t count = 0; count < kRandomDigits; ++count) name += kDigits[place(random)];
  return name;
}

}  // namespace

OutputFile::OutputFile(const std::string& path)
    : path_(path), temporary_(std::filesystem::path(path).parent_path() / TemporaryName()), stream_(nullptr) {
  constexpr mode_t kModeBeforeUmask = 0666;
  // With O_EXCL neither a file nor a link that is there already is opened.
  const int descriptor = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kModeBeforeUmask);
  if (descriptor >= 0) stream_ = fdopen(descriptor, "wb");
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

void OutputFile::Finish(Durability durability) {
  if (std::fflush(stream_) != 0) Fail();
  // Otherwise the name could be on the disk before the content.
  if (durability == Durability::kSynced && fsync(fileno(stream_)) != 0) Fail();
  if (std::fclose(std::exchange(stream_, nullptr)) != 0) Fail();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) Fail();
  temporary_.clear();
}

bool IsTemporaryName(const std::string& name) {
  const std::size_t start = std::strlen(kTemporaryPrefix);
  return name.size() == start + kRandomDigits && name.compare(0, start, kTemporaryPrefix) == 0 &&
         name.find_first_not_of(kDigits, start) == std::string::npos;
}

}  // namespace native310
