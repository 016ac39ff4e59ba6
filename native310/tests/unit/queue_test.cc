#include <atomic>
#include <thread>

#include "bounded_queue.h"
#include "check.h"

TEST(ValuesKeepTheirOrderAndTheQueueItsBound) {
  native310::BoundedQueue<int> queue(2);
  std::atomic<int> taken{0};
  std::atomic<int> most{0};
  std::thread giver([&] {
    for (int value = 0; value < 200; ++value) {
      queue.Push(value);
      const int ahead = value + 1 - taken;
      if (ahead > most) most = ahead;
    }
    queue.Close();
  });
  int wanted = 0;
  while (const auto value = queue.Pop()) {
    CHECK(*value == wanted++);
    ++taken;
  }
  giver.join();
  CHECK(wanted == 200);
  // Two in the queue, and one popped but not yet counted.
  CHECK(most <= 3);
}

TEST(AClosedQueueTakesNothing) {
  native310::BoundedQueue<int> queue(1);
  CHECK(queue.Push(1));
  queue.Close();
  CHECK(!queue.Push(2));
  CHECK(queue.Pop() == 1);
  CHECK(!queue.Pop());
}
