// Targets for libFuzzer: each reads its input as a file of one kind. READER is the function to run. A file may be
// refused by a UserError; any other exception, and what a sanitizer finds, ends the program.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "bins_source.h"
#include "device_jpeg.h"
#include "exif.h"
#include "image_ids.h"
#include "image_list.h"
#include "jpeg_reader.h"
#include "model_description.h"
#include "user_error.h"

namespace {

namespace fs = std::filesystem;
using namespace native310;

// Bins of this size are small, so that most runs are short.
constexpr InputSize kInputSize = {2, 3};

// A file in memory, with a name in a temporary folder.
class InputFile {
 public:
  explicit InputFile(const std::string& name) : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
    std::string folder = fs::temp_directory_path() / "native310_fuzz_XXXXXX";
    if (descriptor_ < 0 || mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no place for the input");
    path_ = fs::path(folder) / name;
    fs::create_symlink("/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(descriptor_), path_);
  }
  ~InputFile() { fs::remove_all(path_.parent_path()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  void Fill(const std::uint8_t* data, std::size_t size) const {
    if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, data, size, 0) != static_cast<ssize_t>(size))
      std::abort();
  }
  const fs::path& path() const { return path_; }

 private:
  int descriptor_;
  fs::path path_;
};

ModelDescription SmallModel() {
  ModelDescription model;
  model.input_size = kInputSize;
  return model;
}

// Returns whether a header in the data claims so many pixels that decoding takes long, which finds nothing new.
bool ClaimsManyPixels(const std::uint8_t* data, std::size_t size) {
  constexpr unsigned kMaxPixels = 1U << 12;
  for (std::size_t at = 0; at + 9 <= size; ++at) {
    const bool is_frame = data[at] == 0xFF && (data[at + 1] & 0xF0) == 0xC0;
    if (is_frame && (data[at + 5] * 256U + data[at + 6]) * (data[at + 7] * 256U + data[at + 8]) > kMaxPixels)
      return true;
  }
  return false;
}

[[maybe_unused]] void fuzz_annotations(const std::uint8_t* data, std::size_t size) {
  static const InputFile file("instances.json");
  file.Fill(data, size);
  ReadAnnotatedImages(file.path());
}

[[maybe_unused]] void fuzz_index(const std::uint8_t* data, std::size_t size) {
  static const InputFile file("index.json");
  file.Fill(data, size);
  BinsSource(file.path().parent_path(), SmallModel());
}

[[maybe_unused]] void fuzz_description(const std::uint8_t* data, std::size_t size) {
  static const InputFile file("model.om.json");
  file.Fill(data, size);
  ReadModelDescription(file.path().parent_path() / "model.om");
}

// Opens an index of one bin, of one of four types and layouts.
BinsSource OpenBin(const InputFile& index, const InputFile& bin, unsigned kind) {
  const std::string folder = index.path().parent_path();
  const std::string json = std::string(R"({"format": 1, "input_size": [2, 3], "dtype": ")") +
                           (kind & 1 ? "uint8" : "float32") + R"(", "layout": ")" + (kind & 2 ? "NCHW" : "NHWC") +
                           R"(", "images": [{"id": 1, "name": "1", "width": 3, "height": 2, "file": ")" +
                           bin.path().lexically_relative(folder).string() + R"("}]})";
  index.Fill(reinterpret_cast<const std::uint8_t*>(json.data()), json.size());
  return BinsSource(folder, SmallModel());
}

// The first byte chooses the type and layout of the bin and of the model; the others are the bin.
[[maybe_unused]] void fuzz_bins(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  static const InputFile index("index.json");
  static const InputFile bin("1.bin");
  static std::array<BinsSource, 4> sources = {OpenBin(index, bin, 0), OpenBin(index, bin, 1), OpenBin(index, bin, 2),
                                              OpenBin(index, bin, 3)};
  bin.Fill(data + 1, size - 1);
  InputSpec spec;
  spec.size = kInputSize;
  spec.type = data[0] & 4 ? ElementType::kUint8 : ElementType::kFloat32;
  spec.layout = data[0] & 8 ? Layout::kNchw : Layout::kNhwc;
  std::vector<std::uint8_t> target(spec.ImageBytes());
  sources[data[0] & 3U].Read(0, spec, target.data());
}

[[maybe_unused]] void fuzz_exif(const std::uint8_t* data, std::size_t size) {
  // Exactly as long as the data, so that a read beyond its end is found.
  const std::vector<std::uint8_t> segment(data, data + size);
  ApplyOrientation(Image(3, 2), ExifOrientation(segment.data(), segment.size()));
}

[[maybe_unused]] void fuzz_jpeg(const std::uint8_t* data, std::size_t size) {
  if (ClaimsManyPixels(data, size)) return;
  static const InputFile file("1.jpg");
  file.Fill(data, size);
  ReadJpeg(file.path(), 0, 0);
}

[[maybe_unused]] void fuzz_device(const std::uint8_t* data, std::size_t size) {
  static const InputFile file("1.jpg");
  file.Fill(data, size);
  WithoutExif({data, data + size});
  const JpegHeader header = ReadJpegHeader(file.path());
  WhyHostDecodes(header, PlaceOnDevice(header.width, header.height, {416, 416}, true));
}

[[maybe_unused]] void fuzz_list(const std::uint8_t* data, std::size_t size) {
  static const InputFile file("list.txt");
  file.Fill(data, size);
  for (const std::string& line : ReadImageList(file.path())) {
    try {
      IdFromName(line);
    } catch (const UserError&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    READER(data, size);
  } catch (const UserError&) {
  }
  return 0;
}
