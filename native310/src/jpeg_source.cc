#include "jpeg_source.h"

#include <strings.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include "jpeg_reader.h"
#include "place_image.h"
#include "user_error.h"

namespace native310 {
namespace {

namespace fs = std::filesystem;

bool HasSuffix(const fs::path& path, const char* suffix) { return strcasecmp(path.extension().c_str(), suffix) == 0; }

std::vector<std::string> PathsOf(const std::string& input) {
  std::vector<std::string> paths;
  if (fs::is_directory(input)) {
    for (const fs::directory_entry& file : fs::directory_iterator(input)) {
      if (HasSuffix(file, ".jpg") || HasSuffix(file, ".jpeg")) paths.push_back(file.path().string());
    }
    std::sort(paths.begin(), paths.end());
  } else if (HasSuffix(input, ".txt")) {
    std::ifstream list(input);
    for (std::string line; std::getline(list, line);) {
      line.erase(line.find_last_not_of("\r ") + 1);
      if (!line.empty()) paths.push_back((fs::path(input).parent_path() / line).string());
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
  return {entry.image.id, fs::path(entry.path).stem().string(), placed.placement};
}

}  // namespace native310
