// Timings of a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace native310 {

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count(); }

 private:
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// Latencies of many calls, at four bytes each.
class LatencyStats {
 public:
  struct Summary {
    double mean_ms = 0;
    double p50_ms = 0;
    double p95_ms = 0;
    double p99_ms = 0;
  };

  void Add(double seconds) { seconds_.push_back(static_cast<float>(seconds)); }
  std::size_t count() const { return seconds_.size(); }
  // Percentiles by the nearest rank; all 0 if there were no calls.
  Summary Summarize() const;

 private:
  std::vector<float> seconds_;
};

struct RunReport {
  std::string engine;
  std::string device;
  std::string model;
  std::uint64_t model_bytes = 0;
  int threads = 1;
  std::string precision;
  int batch = 1;
  std::int64_t images = 0;
  std::int64_t detections = 0;
  double seconds = 0;       // wall time of all images, without loading and warm-up
  double load_seconds = 0;  // until the model was ready, without warm-up
  LatencyStats network;     // of one call of the network, that is, one batch
  LatencyStats whole;       // of one batch: reading, network, post-processing and writing, without waiting

  double ImagesPerSecond() const { return seconds > 0 ? static_cast<double>(images) / seconds : 0; }
};

// Returns the main figures as text for the terminal.
std::string BenchmarkText(const RunReport& report);

}  // namespace native310
