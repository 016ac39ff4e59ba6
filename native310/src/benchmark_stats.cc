#include "benchmark_stats.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "json_text.h"

namespace native310 {
namespace {

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string SummaryJson(const LatencyStats& stats) {
  const LatencyStats::Summary summary = stats.Summarize();
  return "{\"mean\": " + Number(summary.mean_ms) + ", \"p50\": " + Number(summary.p50_ms) +
         ", \"p95\": " + Number(summary.p95_ms) + ", \"p99\": " + Number(summary.p99_ms) +
         ", \"calls\": " + std::to_string(stats.count()) + "}";
}

std::string SummaryText(const LatencyStats& stats) {
  const LatencyStats::Summary summary = stats.Summarize();
  char text[160];
  std::snprintf(text, sizeof text, "mean %.2f, p50 %.2f, p95 %.2f, p99 %.2f ms", summary.mean_ms, summary.p50_ms,
                summary.p95_ms, summary.p99_ms);
  return text;
}

double ImagesPerSecond(const RunReport& report) {
  return report.seconds > 0 ? static_cast<double>(report.images) / report.seconds : 0;
}

}  // namespace

LatencyStats::Summary LatencyStats::Summarize() const {
  if (seconds_.empty()) return {};
  std::vector<float> sorted = seconds_;
  std::sort(sorted.begin(), sorted.end());
  const auto count = static_cast<double>(sorted.size());
  const auto percentile = [&](double share) {
    const auto rank = static_cast<std::size_t>(std::max(1.0, std::ceil(share * count)));
    return 1000.0 * static_cast<double>(sorted[rank - 1]);
  };
  const double sum = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  return {1000.0 * sum / count, percentile(0.50), percentile(0.95), percentile(0.99)};
}

std::string BenchmarkJson(const RunReport& report) {
  return "{\n  \"format\": 1,\n  \"engine\": " + JsonString(report.engine) +
         ",\n  \"device\": " + JsonString(report.device) + ",\n  \"precision\": " + JsonString(report.precision) +
         ",\n  \"threads\": " + std::to_string(report.threads) + ",\n  \"model\": " + JsonString(report.model) +
         ",\n  \"model_bytes\": " + std::to_string(report.model_bytes) +
         ",\n  \"batch\": " + std::to_string(report.batch) + ",\n  \"images\": " + std::to_string(report.images) +
         ",\n  \"detections\": " + std::to_string(report.detections) + ",\n  \"seconds\": " + Number(report.seconds) +
         ",\n  \"load_seconds\": " + Number(report.load_seconds) +
         ",\n  \"images_per_second\": " + Number(ImagesPerSecond(report)) +
         ",\n  \"network_ms\": " + SummaryJson(report.network) + ",\n  \"whole_ms\": " + SummaryJson(report.whole) +
         "\n}\n";
}

std::string BenchmarkText(const RunReport& report) {
  char first[200];
  std::snprintf(first, sizeof first, "%lld images, %lld detections in %.2f s: %.2f images/s\n",
                static_cast<long long>(report.images), static_cast<long long>(report.detections), report.seconds,
                ImagesPerSecond(report));
  return first + ("latency of the network: " + SummaryText(report.network)) +
         "\nlatency with reading, post-processing and writing: " + SummaryText(report.whole) + "\n";
}

}  // namespace native310
