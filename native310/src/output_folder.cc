#include "output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <vector>

#include "output_file.h"
#include "user_error.h"

namespace native310 {
namespace {

namespace fs = std::filesystem;

constexpr char kBenchmarkName[] = "benchmark.json";
constexpr char kDetectionsName[] = "detections.json";
constexpr char kRawFolderName[] = "result_Files";
constexpr char kRawExtension[] = ".bin";
// Written by Snakemake to a folder that is the output of a rule; not removed.
constexpr char kSnakemakeMark[] = ".snakemake_timestamp";

bool IsRawMapName(const fs::path& name) {
  const std::string stem = name.stem().string();
  return name.extension() == kRawExtension && stem.size() > 2 && stem[stem.size() - 2] == '_' && stem.back() >= '0' &&
         stem.back() <= '2';
}

// Creates a folder and its parents; checks that it is writable.
void Prepare(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder)) {
    throw UserError("output folder " + folder + " cannot be created (" +
                    (error ? error.message() : std::string("a file has that name")) + "): choose another --output");
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    throw UserError("output folder " + folder + " cannot be written (" + std::strerror(errno) +
                    "): change its permissions or choose another --output");
  }
}

std::vector<fs::directory_entry> EntriesOf(const std::string& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    entries.push_back(*entry);
  }
  if (error) {
    throw UserError("output folder " + folder + " cannot be read (" + error.message() +
                    "): change its permissions or choose another --output");
  }
  return entries;
}

// Removes the files whose names `is_result` accepts, and temporary files.
void RemoveFrom(const std::string& folder, bool (*is_result)(const fs::path& name)) {
  for (const fs::directory_entry& entry : EntriesOf(folder)) {
    const fs::path name = entry.path().filename();
    if (!is_result(name) && !IsTemporaryName(name.string())) continue;
    std::error_code error;
    fs::remove(entry.path(), error);
    if (error) {
      throw UserError("file " + entry.path().string() + " of an earlier run cannot be removed (" + error.message() +
                      "): change its permissions or choose another --output");
    }
  }
}

// The folder of the raw maps is emptied, so all that is in it must come from this program.
void RequireOwnRawFolder(const std::string& folder) {
  const fs::file_status status = fs::symlink_status(folder);
  if (!fs::exists(status)) return;
  constexpr char kRemedy[] = "move it away or choose another --output";
  if (!fs::is_directory(status)) {
    throw UserError("raw maps cannot be written to " + folder + ", which is " +
                    (fs::is_symlink(status) ? "a link" : "a file") + ": " + kRemedy);
  }
  for (const fs::directory_entry& entry : EntriesOf(folder)) {
    const fs::path name = entry.path().filename();
    const bool is_own = IsRawMapName(name) || IsTemporaryName(name.string()) || name == kSnakemakeMark;
    if (is_own && fs::is_regular_file(entry.symlink_status())) continue;
    throw UserError("output folder " + folder + " would be emptied but has " + name.string() +
                    ", which is no raw map of an earlier run: " + kRemedy);
  }
}

}  // namespace

OutputFolder::OutputFolder(const std::string& path) : path_(path) {
  Prepare(path);
  descriptor_ = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw UserError("output folder " + path + " cannot be read (" + std::strerror(errno) +
                    "): change its permissions or choose another --output");
  }
  // Some file systems have no locks, which does not matter as long as there is one run.
  const bool is_locked_by_another = flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  try {
    if (is_locked_by_another) {
      throw UserError("another run writes to output folder " + path + ": wait for its end or choose another --output");
    }
    RequireOwnRawFolder(raw_folder());
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

OutputFolder::~OutputFolder() { close(descriptor_); }

std::string OutputFolder::Detections() const { return path_ + "/" + kDetectionsName; }

std::string OutputFolder::Benchmark() const { return path_ + "/" + kBenchmarkName; }

std::string OutputFolder::raw_folder() const { return path_ + "/" + kRawFolderName; }

std::string OutputFolder::RawMap(const std::string& image_name, std::size_t index) const {
  return raw_folder() + "/" + image_name + "_" + std::to_string(index) + kRawExtension;
}

void OutputFolder::CheckName(const std::string& image_name) const {
  const long limit = fpathconf(descriptor_, _PC_NAME_MAX);
  const std::size_t max_bytes = limit > 0 ? static_cast<std::size_t>(limit) : NAME_MAX;
  const std::size_t bytes = fs::path(RawMap(image_name, 0)).filename().native().size();
  if (bytes <= max_bytes) return;
  throw UserError("image " + image_name + " has too long a name for its raw maps, " + std::to_string(bytes) +
                  " bytes where the file system allows " + std::to_string(max_bytes) +
                  ": give it a shorter name or run with --raw 0");
}

void OutputFolder::RemoveResults() const {
  RemoveFrom(path_, [](const fs::path& name) { return name == kDetectionsName || name == kBenchmarkName; });
  if (fs::exists(raw_folder())) RemoveFrom(raw_folder(), IsRawMapName);
}

void OutputFolder::CreateRawFolder() const { Prepare(raw_folder()); }

void OutputFolder::Sync() const {
  if (syncfs(descriptor_) != 0) {
    throw UserError("output folder " + path_ + " cannot be written (" + std::strerror(errno) +
                    "): check the disk or choose another --output");
  }
}

}  // namespace native310
