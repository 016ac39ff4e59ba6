// A queue between threads that gives values in the order of their numbers, however they are pushed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace native310 {

template <typename T>
class OrderedQueue {
 public:
  // Every number from 0 is pushed once. Returns false and drops the value if the queue is closed.
  bool Push(std::size_t number, T value) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return false;
      values_.emplace(number, std::move(value));
    }
    changed_.notify_one();
    return true;
  }

  // Waits for the value of the next number. Returns nothing once the queue is closed. For one thread only.
  std::optional<T> Pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || (!values_.empty() && values_.begin()->first == next_); });
    if (closed_) return std::nullopt;
    std::optional<T> value(std::move(values_.begin()->second));
    values_.erase(values_.begin());
    ++next_;
    return value;
  }

  // Makes every later Push and Pop fail.
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, T> values_;
  std::size_t next_ = 0;
  bool closed_ = false;
};

}  // namespace native310
