#include "result_writer.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "user_error.h"

namespace native310 {
namespace {

using OrderedJson = nlohmann::ordered_json;

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

// Returns the final name of a temporary file of OutputFile, or "" for other names.
std::string FinalName(const std::string& temporary_name) {
  const std::size_t dot = temporary_name.rfind('.');
  const bool is_temporary = temporary_name.front() == '.' && dot > 0 && dot + 1 < temporary_name.size() &&
                            temporary_name.find_first_not_of("0123456789", dot + 1) == std::string::npos;
  return is_temporary ? temporary_name.substr(1, dot - 1) : "";
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
  for (const std::filesystem::path& file : older) {
    std::error_code error;
    std::filesystem::remove(file, error);
    if (error) {
      throw UserError("file " + file.string() + " of an earlier run cannot be removed (" + error.message() +
                      "): change its permissions or choose another --output");
    }
  }
}

// Rounds to a number of decimals, halves to even, like numpy.round.
double Rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::nearbyint(value * scale) / scale;
}

// Digits after the point of seconds, milliseconds and images/s.
constexpr int kDecimals = 6;

OrderedJson SummaryJson(const LatencyStats& stats) {
  const LatencyStats::Summary summary = stats.Summarize();
  return {{"mean", Rounded(summary.mean_ms, kDecimals)},
          {"p50", Rounded(summary.p50_ms, kDecimals)},
          {"p95", Rounded(summary.p95_ms, kDecimals)},
          {"p99", Rounded(summary.p99_ms, kDecimals)},
          {"calls", stats.count()}};
}

std::string BenchmarkJson(const RunReport& report) {
  const OrderedJson json = {{"format", 1},
                            {"engine", report.engine},
                            {"device", report.device},
                            {"precision", report.precision},
                            {"threads", report.threads},
                            {"model", report.model},
                            {"model_bytes", report.model_bytes},
                            {"batch", report.batch},
                            {"images", report.images},
                            {"detections", report.detections},
                            {"seconds", Rounded(report.seconds, kDecimals)},
                            {"load_seconds", Rounded(report.load_seconds, kDecimals)},
                            {"images_per_second", Rounded(report.ImagesPerSecond(), kDecimals)},
                            {"network_ms", SummaryJson(report.network)},
                            {"whole_ms", SummaryJson(report.whole)}};
  // A path may hold bytes that are not UTF-8.
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace

std::string CocoResult(const CocoId& image_id, const CocoId& category_id, const Detection& detection) {
  const std::array<float, 4>& box = detection.box_xyxy;
  const std::array<double, 4> xyxy = {box[0], box[1], box[2], box[3]};
  const OrderedJson result = {
      {"image_id", OrderedJson::parse(image_id.digits)},
      {"category_id", OrderedJson::parse(category_id.digits)},
      {"bbox",
       {Rounded(xyxy[0], 2), Rounded(xyxy[1], 2), Rounded(xyxy[2] - xyxy[0], 2), Rounded(xyxy[3] - xyxy[1], 2)}},
      {"score", Rounded(detection.score, 5)}};
  return result.dump();
}

ResultWriter::ResultWriter(const std::string& folder, bool writes_raw, std::vector<CocoId> category_ids)
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

void ResultWriter::Finish(RunReport* report) {
  report->detections = detections_;
  json_->Write(detections_ == 0 ? "[]\n" : "\n]\n");
  json_->Finish();
  OutputFile benchmark(folder_ + kBenchmarkName);
  benchmark.Write(BenchmarkJson(*report));
  benchmark.Finish();
}

}  // namespace native310
