#include "image_ids.h"

#include <cctype>
#include <filesystem>

#include "json_fields.h"
#include "json_reader.h"
#include "user_error.h"

namespace native310 {
namespace {

constexpr std::size_t kMostDigits = 18;

}  // namespace

std::unordered_map<std::string, AnnotatedImage> ReadAnnotatedImages(const std::string& path) {
  JsonReader json(path, "annotation file");
  std::unordered_map<std::string, AnnotatedImage> images;
  const auto read_image = [&] {
    std::string name;
    AnnotatedImage image;
    bool has_id = false;
    json.Object([&](const std::string& key) {
      if (key == "id") {
        image.id = json.Integer();
        has_id = true;
      } else if (key == "file_name") {
        name = std::filesystem::path(json.String()).filename().string();
      } else if (key == "width") {
        image.width = ReadExtent(&json);
      } else if (key == "height") {
        image.height = ReadExtent(&json);
      } else {
        json.Skip();
      }
    });
    if (!has_id || name.empty()) json.Fail("an image lacks its id or file_name");
    if (!images.emplace(name, image).second) {
      json.Fail("two images are named " + name + ", folders left out: give them names of their own");
    }
  };
  json.Object([&](const std::string& key) {
    if (key == "images") {
      json.Array(read_image);
    } else {
      json.Skip();
    }
  });
  json.End();
  if (images.empty()) throw UserError("annotation file " + path + " names no image: check --annotations");
  return images;
}

std::int64_t IdFromName(const std::string& file_name) {
  const std::string stem = std::filesystem::path(file_name).stem().string();
  std::size_t first = stem.size();
  while (first > 0 && std::isdigit(static_cast<unsigned char>(stem[first - 1])) != 0) --first;
  const std::size_t significant = stem.find_first_not_of('0', first);
  if (first == stem.size() || (significant != std::string::npos && stem.size() - significant > kMostDigits)) {
    throw UserError("image " + file_name + " has no id: end its name with a number, or give --annotations");
  }
  return std::stoll(stem.substr(first));
}

}  // namespace native310
