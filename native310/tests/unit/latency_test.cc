#include <cmath>

#include "benchmark_stats.h"
#include "check.h"

TEST(PercentilesAreNearestRanks) {
  native310::LatencyStats stats;
  for (int milliseconds = 100; milliseconds >= 1; --milliseconds) stats.Add(milliseconds / 1000.0);
  const native310::LatencyStats::Summary summary = stats.Summarize();
  const auto near = [](double actual, double expected) { return std::fabs(actual - expected) < 1e-4; };
  CHECK(near(summary.mean_ms, 50.5));
  CHECK(near(summary.p50_ms, 50));
  CHECK(near(summary.p95_ms, 95));
  CHECK(near(summary.p99_ms, 99));
}

TEST(NoCallsGiveZero) { CHECK(native310::LatencyStats().Summarize().p99_ms == 0); }
