// A queue between threads. Its users bound its length: each value holds memory that comes back through another queue.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace native310 {

template <typename T>
class Queue {
 public:
  // Returns false and drops the value if the queue is closed.
  bool Push(T value) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return false;
      values_.push_back(std::move(value));
    }
    changed_.notify_one();
    return true;
  }

  // Waits for a value. Returns nothing once the queue is closed and empty.
  std::optional<T> Pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !values_.empty(); });
    if (values_.empty()) return std::nullopt;
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    return value;
  }

  // Makes every later Push fail; values already in the queue can still be popped.
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
  bool closed_ = false;
};

}  // namespace native310
