#include "progress.h"

#include <unistd.h>

#include <cstdio>

namespace native310 {

Progress::Progress(std::size_t total) : total_(total), is_terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (has_line_) std::fputc('\n', stderr);
}

void Progress::Update(std::size_t done) {
  constexpr double kTerminalSeconds = 0.2;
  constexpr double kLogSeconds = 10;
  const double now = watch_.Seconds();
  const bool is_due = now - shown_at_ >= (is_terminal_ ? kTerminalSeconds : kLogSeconds);
  if (!is_due && done != total_) return;
  shown_at_ = now;
  const double rate = now > 0 ? static_cast<double>(done) / now : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  std::fprintf(stderr, "%s%zu of %zu images, %.1f images/s, %.0f s left%s", is_terminal_ ? "\r" : "", done, total_,
               rate, left, is_terminal_ ? "   " : "\n");
  has_line_ = is_terminal_;
}

}  // namespace native310
