#include "bins_source.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unordered_set>

#include "input_file.h"
#include "json_reader.h"
#include "user_error.h"

namespace native310 {
namespace {

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

bool IsFileName(const std::string& name) {
  return !name.empty() && !HasNul(name) && name.find('/') == std::string::npos;
}

// Requires that the image lies in the network input.
void CheckPlacement(const JsonObject& image, const Placement& placement) {
  // Sums of rounded fractions may be just above 1.
  constexpr double kTolerance = 1e-6;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const double offset = placement.offset_xy[axis];
    const double share = placement.share_xy[axis];
    image.Require(offset >= 0 && offset < 1, "offset_xy", "two numbers from 0 to below 1");
    image.Require(share > 0 && offset + share <= 1 + kTolerance, "share_xy",
                  "two numbers above 0 that are at most 1 together with offset_xy");
  }
}

}  // namespace

BinsSource::BinsSource(const std::string& folder, const ModelDescription& model) : folder_(folder) {
  const JsonFile file = {"index", folder + "/index.json", "write the bins again"};
  ReadIndex(file);
  CheckFitsModel(file.path, model);
  CheckUnique(file);
}

void BinsSource::ReadIndex(const JsonFile& file) {
  const auto read_image = [this](const JsonObject& image) {
    Entry entry;
    entry.info.id = image.Get<CocoId>("id");
    entry.info.name = image.Get<std::string>("name");
    const std::string& name = entry.info.name;
    image.Require(IsFileName(name), "name", "a file name");
    entry.file = image.Get<std::string>("file");
    image.Require(!entry.file.empty() && !HasNul(entry.file), "file", "a path");
    Placement& placement = entry.info.placement;
    placement.width = image.Get<int>("width");
    placement.height = image.Get<int>("height");
    placement.offset_xy = image.Get("offset_xy", placement.offset_xy);
    placement.share_xy = image.Get("share_xy", placement.share_xy);
    CheckPlacement(image, placement);
    entries_.push_back(std::move(entry));
  };
  const JsonObject index = ReadJson(file, {"format", "input_size", "dtype", "layout", "mean_rgb", "std_rgb", "images"},
                                    "images", read_image);
  index.Require(index.Get<std::int64_t>("format") == 1, "format", "1");
  input_size_ = ReadInputSize(index);
  const auto type = index.Get<std::string>("dtype");
  index.Require(type == "float32" || type == "uint8", "dtype", "float32 or uint8");
  type_ = type == "uint8" ? ElementType::kUint8 : ElementType::kFloat32;
  const auto layout = index.Get<std::string>("layout");
  index.Require(layout == "NCHW" || layout == "NHWC", "layout", "NCHW or NHWC");
  layout_ = layout == "NHWC" ? Layout::kNhwc : Layout::kNchw;
  mean_std_ = ReadMeanStd(index);
  if (entries_.empty()) file.Fail("names no image");
}

void BinsSource::CheckFitsModel(const std::string& path, const ModelDescription& model) const {
  if (input_size_ != model.input_size) {
    throw UserError("the bins of " + path + " are " + ToString(input_size_) + " pixels but the model expects " +
                    ToString(model.input_size) + ": write bins for this model");
  }
  if (!(mean_std_ == model.mean_std)) {
    throw UserError("the bins of " + path +
                    " have another mean_rgb or std_rgb than the model's description: write "
                    "bins with the normalisation that the model was trained with");
  }
}

void BinsSource::CheckUnique(const JsonFile& file) const {
  std::unordered_set<std::string> names;
  std::unordered_set<std::string> ids;
  for (const Entry& entry : entries_) {
    if (!names.insert(entry.info.name).second) file.Fail("has two images named " + entry.info.name);
    if (!ids.insert(entry.info.id.digits).second) file.Fail("has two images with id " + entry.info.id.digits);
  }
}

void BinsSource::ReadBin(const std::string& path, std::size_t bytes, void* target) const {
  const InputStream stream = OpenInput("bin", path, "write the bins again");
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
    std::vector<std::uint8_t> pixels(spec.Pixels() * kImageChannels);
    ReadBin(path, pixels.size(), pixels.data());
    ConvertPixels(pixels.data(), layout_, mean_std_, spec, target);
  } else if (spec.type == ElementType::kUint8) {
    throw UserError("the bins of " + folder_ + " are float32 but the model expects uint8: write the bins as uint8");
  } else if (layout_ == spec.layout) {
    ReadBin(path, spec.ImageBytes(), target);
  } else {
    std::vector<float> floats(spec.ImageElements());
    ReadBin(path, spec.ImageBytes(), floats.data());
    ConvertFloats(floats.data(), layout_, spec, static_cast<float*>(target));
  }
  return entry.info;
}

}  // namespace native310
