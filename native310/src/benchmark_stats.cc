#include "benchmark_stats.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace native310 {
namespace {

std::string SummaryText(const LatencyStats& stats) {
  const LatencyStats::Summary summary = stats.Summarize();
  char text[160];
  std::snprintf(text, sizeof text, "mean %.2f, p50 %.2f, p95 %.2f, p99 %.2f ms", summary.mean_ms, summary.p50_ms,
                summary.p95_ms, summary.p99_ms);
  return text;
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

std::string BenchmarkText(const RunReport& report) {
  char first[200];
  std::snprintf(first, sizeof first, "%lld images, %lld detections in %.2f s: %.2f images/s\n",
                static_cast<long long>(report.images), static_cast<long long>(report.detections), report.seconds,
                report.ImagesPerSecond());
  return first + ("latency of the network: " + SummaryText(report.network)) +
         "\nlatency with reading, post-processing and writing: " + SummaryText(report.whole) + "\n";
}

}  // namespace native310
