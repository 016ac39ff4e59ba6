// A file that appears under its final name only when it is complete.
#pragma once

#include <cstddef>
#include <string>

namespace native310 {

class OutputFile {
 public:
  // Opens a temporary file in the folder of `path`. Throws UserError, as all functions here do, if the file cannot be
  // written, for lack of space as for any other reason.
  explicit OutputFile(const std::string& path);
  // Removes the temporary file unless Finish() was reached.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void Write(const void* data, std::size_t bytes);
  void Write(const std::string& text) { Write(text.data(), text.size()); }
  // Writes out what is buffered and gives the file its final name.
  void Finish();

 private:
  void Flush();
  void WriteOut(const char* data, std::size_t bytes);
  [[noreturn]] void Fail(int error) const;

  std::string path_;
  std::string temporary_;
  std::string buffer_;
  int descriptor_ = -1;
};

// Returns the final name of a temporary file that OutputFile writes to, empty for other names.
std::string FinalName(const std::string& temporary_name);
// Makes a folder with its parents; it must be writable.
void PrepareFolder(const std::string& folder);
// Removes a file if it is there.
void RemoveFile(const std::string& path);

}  // namespace native310
