// A file that appears under its final name only when it is complete.
#pragma once

#include <cstdio>
#include <string>

namespace native310 {

class OutputFile {
 public:
  // Opens a temporary file in the folder of `path`. All functions here throw UserError if the file cannot be written,
  // for example because the disk is full.
  explicit OutputFile(const std::string& path);
  // Removes the temporary file unless Finish() was called.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void Write(const void* data, std::size_t bytes);
  void Write(const std::string& text) { Write(text.data(), text.size()); }
  // Flushes the buffer and gives the file its final name.
  void Finish();

 private:
  [[noreturn]] void Fail() const;  // with the reason in errno

  std::string path_;
  std::string temporary_;
  std::FILE* stream_;
};

// Creates a folder and its parents; checks that it is writable.
void PrepareFolder(const std::string& folder);

}  // namespace native310
