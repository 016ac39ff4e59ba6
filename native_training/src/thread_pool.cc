#include "thread_pool.h"

namespace {

// For how many turns a helper without work looks for more before it sleeps: about as long as the graph takes between
// two operations, so that waking, which takes longer than most operations, is rare.
constexpr int kIdleTurns = 4000;

thread_local bool is_in_parallel = false;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : threads_(threads) {
  for (int number = 1; number < threads; ++number) helpers_.emplace_back(&ThreadPool::work, this, number);
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

bool ThreadPool::get_in_parallel() const { return is_in_parallel; }

void ThreadPool::parallel_for(int count, const std::function<void(int, int)>& part) {
  if (is_in_parallel || count == 1 || threads_ == 1) {
    for (int index = 0; index < count; ++index) part(index, count);
    return;
  }
  part_ = &part;
  count_ = count;
  busy_ = threads_ - 1;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++round_;
  }
  wake_.notify_all();
  is_in_parallel = true;
  for (int index = 0; index < count; index += threads_) part(index, count);
  is_in_parallel = false;
  while (busy_ > 0) pause();
}

void ThreadPool::work(int number) {
  is_in_parallel = true;
  for (int round = 0;;) {
    for (int turn = 0; turn < kIdleTurns && round_ == round && !is_ending_; ++turn) pause();
    if (round_ == round) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return round_ != round || is_ending_; });
    }
    if (is_ending_) return;
    round = round_;
    for (int index = number; index < count_; index += threads_) (*part_)(index, count_);
    --busy_;
  }
}
