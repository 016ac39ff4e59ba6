#include "result_writer.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "rounded.h"

namespace native310 {
namespace {

constexpr char kBenchmarkName[] = "/benchmark.json";
constexpr char kDetectionsName[] = "/detections.json";
constexpr char kRawFolder[] = "/result_Files";

bool IsRawMap(const std::filesystem::path& name) {
  const std::string stem = name.stem().string();
  return name.extension() == ".bin" && stem.size() > 2 && stem[stem.size() - 2] == '_' && stem.back() >= '0' &&
         stem.back() <= '2';
}

bool IsJsonResult(const std::filesystem::path& name) {
  return "/" + name.string() == kDetectionsName || "/" + name.string() == kBenchmarkName;
}

// Removes the results of an earlier run, which may be of other images or of another model, and temporary files that a
// killed run left behind.
void RemoveOlder(const std::string& folder, bool (*is_result)(const std::filesystem::path& name)) {
  std::error_code ignored;
  std::vector<std::filesystem::path> older;
  for (const auto& file : std::filesystem::directory_iterator(folder, ignored)) {
    const std::filesystem::path name = file.path().filename();
    if (is_result(name) || is_result(FinalName(name.string()))) older.push_back(file.path());
  }
  for (const std::filesystem::path& file : older) RemoveFile(file.string());
}

}  // namespace

std::string CocoResult(std::int64_t image_id, std::int64_t category_id, const Detection& detection) {
  const std::array<double, 4> xyxy = {detection.box_xyxy[0], detection.box_xyxy[1], detection.box_xyxy[2],
                                      detection.box_xyxy[3]};
  const nlohmann::ordered_json result = {
      {"image_id", image_id},
      {"category_id", category_id},
      {"bbox",
       {Rounded(xyxy[0], 2), Rounded(xyxy[1], 2), Rounded(xyxy[2] - xyxy[0], 2), Rounded(xyxy[3] - xyxy[1], 2)}},
      {"score", Rounded(detection.score, 5)}};
  return result.dump();
}

ResultWriter::ResultWriter(const std::string& folder, bool writes_raw, std::vector<std::int64_t> category_ids)
    : folder_(folder), writes_raw_(writes_raw), category_ids_(std::move(category_ids)) {
  PrepareFolder(folder);
  RemoveOlder(folder, IsJsonResult);
  RemoveOlder(folder + kRawFolder, IsRawMap);
  if (writes_raw) PrepareFolder(folder + kRawFolder);
  json_ = std::make_unique<OutputFile>(folder + kDetectionsName);
}

void ResultWriter::Write(const ImageInfo& image, const RawMaps& maps, const std::vector<Detection>& detections) {
  if (writes_raw_) {
    for (std::size_t index = 0; index < maps.size(); ++index) {
      OutputFile file(folder_ + kRawFolder + "/" + image.name + "_" + std::to_string(index) + ".bin");
      file.Write(maps[index].values.data(), maps[index].values.size() * sizeof(float));
      file.Finish();
    }
  }
  for (const Detection& detection : detections) {
    json_->Write(detections_ == 0 ? "[\n" : ",\n");
    json_->Write(CocoResult(image.id, category_ids_[static_cast<std::size_t>(detection.label)], detection));
    ++detections_;
  }
}

void ResultWriter::Finish() {
  json_->Write(detections_ == 0 ? "[]\n" : "\n]\n");
  json_->Finish();
}

}  // namespace native310
