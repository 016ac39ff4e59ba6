#include "bins_source.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <unordered_set>

#include "json_fields.h"
#include "json_reader.h"
#include "user_error.h"

namespace native310 {

BinsSource::BinsSource(const std::string& folder, const ModelDescription& model) : folder_(folder) {
  const std::string path = folder + "/index.json";
  ReadIndex(path);
  CheckKind(path, model);
  CheckEntries(path);
}

void BinsSource::ReadIndex(const std::string& path) {
  JsonReader json(path, "index");
  std::int64_t format = 0;
  std::string type;
  std::string layout;
  const auto read_entry = [&] {
    Entry entry;
    Placement& placement = entry.info.placement;
    entry.info.id = std::numeric_limits<std::int64_t>::min();
    json.Object([&](const std::string& key) {
      if (key == "id") {
        entry.info.id = json.Integer();
      } else if (key == "name") {
        entry.info.name = json.String();
      } else if (key == "file") {
        entry.file = json.String();
      } else if (key == "width") {
        placement.width = ReadExtent(&json);
      } else if (key == "height") {
        placement.height = ReadExtent(&json);
      } else if (key == "offset_xy") {
        placement.offset_xy = ReadNumbers<double, 2>(&json);
      } else if (key == "share_xy") {
        placement.share_xy = ReadNumbers<double, 2>(&json);
      } else {
        json.Skip();
      }
    });
    if (entry.info.id == std::numeric_limits<std::int64_t>::min() || entry.info.name.empty() || entry.file.empty() ||
        placement.width == 0 || placement.height == 0) {
      json.Fail("an image lacks its id, name, file, width or height");
    }
    if (placement.share_xy[0] <= 0 || placement.share_xy[1] <= 0) json.Fail("share_xy is not above 0");
    entries_.push_back(std::move(entry));
  };
  json.Object([&](const std::string& key) {
    if (key == "format") {
      format = json.Integer();
    } else if (key == "input_size") {
      input_size_ = ReadInputSize(&json);
    } else if (key == "dtype") {
      type = json.String();
    } else if (key == "layout") {
      layout = json.String();
    } else if (key == "mean_rgb") {
      mean_std_.mean_rgb = ReadNumbers<float, 3>(&json);
    } else if (key == "std_rgb") {
      mean_std_.std_rgb = ReadNumbers<float, 3>(&json);
    } else if (key == "images") {
      json.Array(read_entry);
    } else {
      json.Skip();
    }
  });
  json.End();
  if (format != 1) throw UserError("index " + path + " is not of format 1: write the bins again");
  if (type != "float32" && type != "uint8") {
    throw UserError("index " + path + " has dtype '" + type + "', not float32 or uint8: write the bins again");
  }
  if (layout != "NCHW" && layout != "NHWC") {
    throw UserError("index " + path + " has layout '" + layout + "', not NCHW or NHWC: write the bins again");
  }
  type_ = type == "uint8" ? ElementType::kUint8 : ElementType::kFloat32;
  layout_ = layout == "NHWC" ? Layout::kNhwc : Layout::kNchw;
}

void BinsSource::CheckKind(const std::string& path, const ModelDescription& model) const {
  if (input_size_ != model.input_size) {
    throw UserError("the bins of " + path + " are " + ToString(input_size_) + " pixels but the model takes " +
                    ToString(model.input_size) + ": write bins for this model");
  }
  if (mean_std_ != model.mean_std) {
    throw UserError("the bins of " + path + " have another mean_rgb or std_rgb than the model's description: write " +
                    "bins with the normalisation that the model was trained with");
  }
}

void BinsSource::CheckEntries(const std::string& path) const {
  if (entries_.empty()) throw UserError("index " + path + " names no image: write the bins again");
  std::unordered_set<std::string> names;
  std::unordered_set<std::int64_t> ids;
  for (const Entry& entry : entries_) {
    if (entry.info.name.find('/') != std::string::npos) {
      throw UserError("index " + path + " has image name " + entry.info.name +
                      ", which is no file name: name images without folders");
    }
    if (!names.insert(entry.info.name).second) {
      throw UserError("index " + path + " has two images named " + entry.info.name +
                      ", whose results would overwrite each other: give each its own name");
    }
    if (!ids.insert(entry.info.id).second) {
      throw UserError("index " + path + " has two images of id " + std::to_string(entry.info.id) +
                      ", whose detections nobody could tell apart: give each its own id");
    }
  }
}

void BinsSource::ReadBin(const std::string& path, std::size_t bytes, void* target) const {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(path.c_str(), "rb"), std::fclose);
  if (stream == nullptr) {
    throw UserError("bin " + path + " cannot be opened (" + std::strerror(errno) + "): write the bins again");
  }
  struct stat status{};
  if (fstat(fileno(stream.get()), &status) == 0 && static_cast<std::size_t>(status.st_size) != bytes) {
    throw UserError("bin " + path + " has " + std::to_string(status.st_size) + " bytes but " + ToString(input_size_) +
                    " pixels take " + std::to_string(bytes) + ": write the bins again");
  }
  if (std::fread(target, 1, bytes, stream.get()) != bytes) {
    throw UserError("bin " + path + " cannot be read (" + std::strerror(errno) + "): write the bins again");
  }
}

ImageInfo BinsSource::Read(std::size_t index, const InputSpec& spec, void* target) {
  const Entry& entry = entries_[index];
  const std::string path = folder_ + "/" + entry.file;
  if (type_ == ElementType::kUint8) {
    pixels_.resize(spec.ImageElements());
    ReadBin(path, pixels_.size(), pixels_.data());
    ConvertPixels(pixels_.data(), layout_, mean_std_, spec, target);
  } else if (spec.type == ElementType::kUint8) {
    throw UserError("the bins of " + folder_ + " are float32 but the model takes uint8: write the bins as uint8");
  } else if (layout_ == spec.layout) {
    ReadBin(path, spec.ImageBytes(), target);
  } else {
    floats_.resize(spec.ImageElements());
    ReadBin(path, spec.ImageBytes(), floats_.data());
    ConvertFloats(floats_.data(), layout_, spec, static_cast<float*>(target));
  }
  return entry.info;
}

}  // namespace native310
