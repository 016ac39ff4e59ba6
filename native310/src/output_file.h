// A file that appears under its final name only when it is complete.
#pragma once

#include <cstdio>
#include <string>

namespace native310 {

// Whether a complete file is also on the disk, in case of a power failure.
enum class Durability { kSynced, kBuffered };

class OutputFile {
 public:
  // Creates a temporary file in the folder of `path`, under a random name that was not there. All functions here throw
  // UserError if the file cannot be written, for example because the disk is full.
  explicit OutputFile(const std::string& path);
  // Removes the temporary file unless Finish() was called.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void Write(const void* data, std::size_t bytes);
  void Write(const std::string& text) { Write(text.data(), text.size()); }
  // Flushes the buffer and gives the file its final name.
  void Finish(Durability durability = Durability::kSynced);

 private:
  [[noreturn]] void Fail() const;  // with the reason in errno

  std::string path_;
  std::string temporary_;
  std::FILE* stream_;
};

// Returns whether a file name is that of a temporary file, which a killed run leaves behind.
bool IsTemporaryName(const std::string& name);

}  // namespace native310
