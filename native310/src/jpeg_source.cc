#include "jpeg_source.h"

#include <strings.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <unordered_map>

#include "device_jpeg.h"
#include "engine.h"
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
      entries_.push_back({path, {IdFromName(name), 0, 0}, {}});
      continue;
    }
    const auto image = annotated.find(name);
    if (image == annotated.end()) {
      throw UserError("image " + path + " is not in annotation file " + annotations +
                      ": remove it, or give the annotations of these images");
    }
    entries_.push_back({path, image->second, {}});
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

void JpegSource::UseDeviceOf(Engine* engine) {
  decoder_ = engine->OpenJpegDecoder();
  if (decoder_ == nullptr) return;
  std::size_t on_host = 0;
  std::string first;
  for (Entry& entry : entries_) {
    const std::string reason = OfferToDevice(engine->input().size, &entry);
    if (reason.empty()) continue;
    if (on_host++ == 0) first = entry.path + " (" + reason + ")";
  }
  if (on_host > 0) {
    std::fprintf(stderr, "%zu of %zu JPEG files are decoded on the host because the device's decoder cannot: %s%s\n",
                 on_host, entries_.size(), first.c_str(), on_host > 1 ? " is the first" : "");
  }
}

std::string JpegSource::OfferToDevice(const InputSize& input_size, Entry* entry) const {
  const JpegHeader header = ReadJpegHeader(entry->path);
  const AnnotatedImage& annotated = entry->image;
  const DevicePlace place = PlaceOnDevice(header.width, header.height, input_size, letterbox_);
  const std::string reason = WhyHostDecodes(header, place);
  if (!reason.empty()) return reason;
  // Throws, because the size is wrong.
  if (annotated.width != 0 && (annotated.width != header.width || annotated.height != header.height)) {
    ReadJpeg(entry->path, annotated.width, annotated.height);
  }
  entry->device_place = place;
  return "";
}

void JpegSource::DecodeOnDevice(const std::vector<std::uint8_t>& jpeg, const Entry& entry, void* target) const {
  try {
    decoder_->Decode(jpeg, *entry.device_place, target);
  } catch (const UserError& error) {
    throw UserError("image " + entry.path + ": " + error.what());
  }
}

ImageInfo JpegSource::Read(std::size_t index, const InputSpec& spec, void* target) {
  const Entry& entry = entries_[index];
  if (entry.device_place) {
    const std::vector<std::uint8_t> jpeg = ReadForDevice(entry.path);
    // Of a file without an end, ReadJpeg says what is wrong.
    if (!jpeg.empty()) {
      DecodeOnDevice(jpeg, entry, target);
      return {entry.image.id, fs::path(entry.path).stem().string(), entry.device_place->placement};
    }
  }
  const PlacedImage placed =
      PlaceImage(ReadJpeg(entry.path, entry.image.width, entry.image.height), spec.size, letterbox_);
  ConvertPixels(placed.image.pixels.data(), Layout::kNhwc, mean_std_, spec, target);
  return {entry.image.id, Name(index), placed.placement};
}

std::string JpegSource::Name(std::size_t index) const { return fs::path(entries_[index].path).stem().string(); }

}  // namespace native310
