#include "image_ids.h"

#include <filesystem>

#include "json_reader.h"
#include "user_error.h"

namespace native310 {

std::unordered_map<std::string, AnnotatedImage> ReadAnnotatedImages(const std::string& path) {
  const JsonFile file = {"annotation file", path, "check --annotations"};
  std::unordered_map<std::string, AnnotatedImage> images;
  ReadJson(file, {"images"}, "images", [&](const JsonObject& image) {
    const std::filesystem::path name = image.Get<std::string>("file_name");
    const AnnotatedImage annotated = {image.Get<CocoId>("id"), image.Get("width", 0), image.Get("height", 0)};
    if (!images.emplace(name.filename().string(), annotated).second) {
      file.Fail("has two images named " + name.filename().string() + " (without their folders)");
    }
  });
  if (images.empty()) file.Fail("names no image");
  return images;
}

CocoId IdFromName(const std::string& file_name) {
  const std::string stem = std::filesystem::path(file_name).stem().string();
  const std::size_t first = stem.find_last_not_of("0123456789") + 1;
  const std::size_t significant = stem.find_first_not_of('0', first);
  // More may not fit into 64 bits.
  constexpr std::size_t kMaxDigits = 18;
  if (first == stem.size() || (significant != std::string::npos && stem.size() - significant > kMaxDigits)) {
    throw UserError("image " + file_name + " has no id: end its name with a number, or give --annotations");
  }
  return {significant == std::string::npos ? "0" : stem.substr(significant)};
}

}  // namespace native310
