// The progress line on standard error.
#pragma once

#include <cstddef>

#include "benchmark_stats.h"

namespace native310 {

class Progress {
 public:
  explicit Progress(std::size_t total);
  // Ends the line, which a terminal shows rewritten in place.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows that `done` images are finished: at most five times a second on a terminal, every ten seconds elsewhere.
  void Update(std::size_t done);

 private:
  std::size_t total_;
  bool is_terminal_;
  bool has_line_ = false;
  double shown_at_ = 0;
  Stopwatch watch_;
};

}  // namespace native310
