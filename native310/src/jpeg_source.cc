#include "jpeg_source.h"

#include <strings.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "image_list.h"
#include "input_file.h"
#include "jpeg_reader.h"
#include "place_image.h"
#include "user_error.h"

namespace native310 {
namespace {

namespace fs = std::filesystem;

bool HasSuffix(const fs::path& path, const char* suffix) { return strcasecmp(path.extension().c_str(), suffix) == 0; }

// Skips hidden files, such as the ._1.jpg that macOS writes beside 1.jpg, as Python does.
bool IsImage(const fs::directory_entry& file) {
  const fs::path& path = file.path();
  std::error_code ignored;
  return (HasSuffix(path, ".jpg") || HasSuffix(path, ".jpeg") || HasSuffix(path, ".jpe")) &&
         path.filename().native().front() != '.' && file.is_regular_file(ignored);
}

std::vector<std::string> PathsOf(const std::string& input) {
  std::vector<std::string> paths;
  if (fs::is_directory(input)) {
    std::error_code error;
    for (const fs::directory_entry& file : fs::directory_iterator(input, error)) {
      if (IsImage(file)) paths.push_back(file.path().string());
    }
    if (error) throw UserError("input " + input + " cannot be read (" + error.message() + "): check its permissions");
    std::sort(paths.begin(), paths.end());
  } else if (HasSuffix(input, ".txt")) {
    for (const std::string& line : ReadImageList(input)) {
      paths.push_back((fs::path(input).parent_path() / line).string());
    }
  } else {
    paths.push_back(input);
  }
  if (paths.empty()) {
    throw UserError("input " + input + " has neither index.json nor JPEG files: check --input");
  }
  return paths;
}

}  // namespace

JpegSource::JpegSource(const std::string& input, const std::string& annotations, const ModelDescription& model)
    : letterbox_(model.letterbox), mean_std_(model.mean_std) {
  std::unordered_map<std::string, AnnotatedImage> annotated;
  if (!annotations.empty()) annotated = ReadAnnotatedImages(annotations);
  for (const std::string& path : PathsOf(input)) {
    // Now instead of in the middle of the run.
    RequireRegularFile("image", path, "check --input");
    const std::string name = fs::path(path).filename().string();
    if (annotations.empty()) {
      entries_.push_back({path, {IdFromName(name), 0, 0}});
      continue;
    }
    const auto image = annotated.find(name);
    if (image == annotated.end()) {
      throw UserError("image " + path + " is not in annotation file " + annotations +
                      ": remove it, or give the annotations of these images");
    }
    entries_.push_back({path, image->second});
  }
  CheckNames();
}

void JpegSource::CheckNames() const {
  std::unordered_map<std::string, std::string> stems;
  std::unordered_map<std::string, std::string> ids;
  for (const Entry& entry : entries_) {
    const auto [same_name, is_new_name] = stems.emplace(fs::path(entry.path).stem().string(), entry.path);
    if (!is_new_name) {
      throw UserError("images " + same_name->second + " and " + entry.path +
                      " have the same name, so their results would overwrite each other: rename one");
    }
    const auto [same_id, is_new_id] = ids.emplace(entry.image.id.digits, entry.path);
    if (!is_new_id) {
      throw UserError("images " + same_id->second + " and " + entry.path + " have the same id " +
                      entry.image.id.digits + ": rename one, or give --annotations");
    }
  }
}

ImageInfo JpegSource::Read(std::size_t index, const InputSpec& spec, void* target) {
  const Entry& entry = entries_[index];
  const PlacedImage placed =
      PlaceImage(ReadJpeg(entry.path, entry.image.width, entry.image.height), spec.size, letterbox_);
  ConvertPixels(placed.image.pixels.data(), Layout::kNhwc, mean_std_, spec, target);
  return {entry.image.id, Name(index), placed.placement};
}

std::string JpegSource::Name(std::size_t index) const { return fs::path(entries_[index].path).stem().string(); }

}  // namespace native310
