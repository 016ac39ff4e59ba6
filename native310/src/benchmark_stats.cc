#include "benchmark_stats.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "rounded.h"

namespace native310 {
namespace {

using Json = nlohmann::ordered_json;

// Digits after the point of seconds, milliseconds and images/s.
constexpr int kDecimals = 6;

Json SummaryJson(const LatencyStats& stats) {
  const LatencyStats::Summary summary = stats.Summarize();
  return {{"mean", Rounded(summary.mean_ms, kDecimals)},
          {"p50", Rounded(summary.p50_ms, kDecimals)},
          {"p95", Rounded(summary.p95_ms, kDecimals)},
          {"p99", Rounded(summary.p99_ms, kDecimals)},
          {"calls", stats.count()}};
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
  const Json json = {{"format", 1},
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
                     {"images_per_second", Rounded(ImagesPerSecond(report), kDecimals)},
                     {"network_ms", SummaryJson(report.network)},
                     {"whole_ms", SummaryJson(report.whole)}};
  // A path may hold bytes that are not UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
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
