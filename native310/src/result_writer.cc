#include "result_writer.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace native310 {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Rounds to a number of decimals, halves to even, like numpy.round.
double Rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::nearbyint(value * scale) / scale;
}

// Appends value rounded to 1 / scale, scale a power of ten, as Python prints it. nlohmann/json takes ten times as long,
// which counts here, and sometimes prints more digits than needed, such as 0.012070000000000001.
void AppendRounded(double value, std::int64_t scale, std::string* text) {
  constexpr double kMinWithoutExponent = 1e-4;
  constexpr double kMaxExact = 1e15;  // of integers, whose digits are then those of the quotient
  const double scaled = std::nearbyint(value * static_cast<double>(scale));
  const double rounded = scaled / static_cast<double>(scale);
  if (!(rounded >= kMinWithoutExponent && scaled < kMaxExact)) {
    *text += OrderedJson(rounded).dump();
    return;
  }
  const auto digits = static_cast<std::int64_t>(scaled);
  *text += std::to_string(digits / scale);
  *text += '.';
  std::int64_t rest = digits % scale;
  std::int64_t place = scale;
  do {
    place /= 10;
    *text += static_cast<char>('0' + rest / place);
    rest %= place;
  } while (rest > 0);
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
  std::string text = "{\"image_id\":" + image_id.digits + ",\"category_id\":" + category_id.digits + ",\"bbox\":[";
  for (const double value : {xyxy[0], xyxy[1], xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]}) {
    AppendRounded(value, 100, &text);
    text += ',';
  }
  text.back() = ']';
  text += ",\"score\":";
  AppendRounded(detection.score, 100000, &text);
  return text + "}";
}

ResultWriter::ResultWriter(const std::string& folder, bool writes_raw, std::vector<CocoId> category_ids,
                           const ImageSource& source)
    : folder_(folder), writes_raw_(writes_raw), category_ids_(std::move(category_ids)) {
  for (std::size_t index = 0; writes_raw && index < source.size(); ++index) folder_.CheckName(source.Name(index));
  folder_.RemoveResults();
  if (writes_raw) folder_.CreateRawFolder();
  json_ = std::make_unique<OutputFile>(folder_.Detections());
}

void ResultWriter::Write(const ImageInfo& image, const RawMaps& maps, const std::vector<Detection>& detections) {
  if (writes_raw_) {
    for (std::size_t index = 0; index < maps.size(); ++index) {
      OutputFile file(folder_.RawMap(image.name, index));
      file.Write(maps[index].values.data(), maps[index].values.size() * sizeof(float));
      file.Finish(Durability::kBuffered);
    }
  }
  std::string text;
  for (const Detection& detection : detections) {
    text += detections_ == 0 ? "[\n" : ",\n";
    text += CocoResult(image.id, category_ids_[static_cast<std::size_t>(detection.label)], detection);
    ++detections_;
  }
  json_->Write(text);
}

void ResultWriter::Finish(RunReport* report) {
  report->detections = detections_;
  json_->Write(detections_ == 0 ? "[]\n" : "\n]\n");
  // To wait once for all raw maps is much faster than for each.
  if (writes_raw_) folder_.Sync();
  json_->Finish();
  OutputFile benchmark(folder_.Benchmark());
  benchmark.Write(BenchmarkJson(*report));
  benchmark.Finish();
}

}  // namespace native310
