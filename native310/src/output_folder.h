// The folder of the results, which belongs to one run at a time.
#pragma once

#include <cstddef>
#include <string>

namespace native310 {

class OutputFolder {
 public:
  // Creates the folder if it is missing and locks it; the lock ends with the process. Throws UserError if that is not
  // possible, another run has the lock, or the folder of the raw maps is a link or has files of another program.
  explicit OutputFolder(const std::string& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  std::string Detections() const;
  std::string Benchmark() const;
  std::string RawMap(const std::string& image_name, std::size_t index) const;

  // Throws UserError if the file system does not allow a raw map of this name.
  void CheckName(const std::string& image_name) const;
  // Removes the results of an earlier run, which may be of other images or of another model, and what a killed run
  // left.
  void RemoveResults() const;
  void CreateRawFolder() const;
  // Waits until all files are on the disk.
  void Sync() const;

 private:
  std::string raw_folder() const;

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace native310
