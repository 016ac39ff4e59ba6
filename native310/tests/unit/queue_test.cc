#include <atomic>
#include <thread>

#include "bounded_queue.h"
#include "check.h"

TEST(ValuesKeepTheirOrderAndTheQueueItsBound) {
  native310::BoundedQueue<int> queue(2);
  std::atomic<int> taken{0};
  std::atomic<int> max_ahead{0};
  std::thread producer([&] {
    for (int value = 0; value < 200; ++value) {
      queue.Push(value);
      const int ahead = value + 1 - taken;
      if (ahead > max_ahead) max_ahead = ahead;
    }
    queue.Close();
  });
  int expected = 0;
  while (const auto value = queue.Pop()) {
    CHECK(*value == expected++);
    ++taken;
  }
  producer.join();
  CHECK(expected == 200);
  // Two in the queue, and one popped but not yet counted.
  CHECK(max_ahead <= 3);
}

TEST(AClosedQueueAcceptsNothing) {
  native310::BoundedQueue<int> queue(1);
  CHECK(queue.Push(1));
  queue.Close();
  CHECK(!queue.Push(2));
  CHECK(queue.Pop() == 1);
  CHECK(!queue.Pop());
}
