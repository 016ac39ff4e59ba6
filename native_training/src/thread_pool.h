// A pool of threads for loops of independent parts, which oneDNN and the loops of this library share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <oneapi/dnnl/dnnl_threadpool_iface.hpp>
#include <thread>
#include <vector>

class ThreadPool : public dnnl::threadpool_interop::threadpool_iface {
 public:
  // The calling thread is one of `threads`.
  explicit ThreadPool(int threads);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int get_num_threads() const override { return threads_; }
  bool get_in_parallel() const override;
  // Calls part(i, count) for i in [0, count) and returns when all are done.
  void parallel_for(int count, const std::function<void(int, int)>& part) override;
  uint64_t get_flags() const override { return 0; }

 private:
  void work(int number);

  const int threads_;
  std::vector<std::thread> helpers_;
  const std::function<void(int, int)>* part_ = nullptr;
  int count_ = 0;
  std::atomic<int> round_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> is_ending_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};
