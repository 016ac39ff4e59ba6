#include "queue.h"

#include <thread>
#include <vector>

#include "check.h"
#include "ordered_queue.h"

TEST(ValuesKeepTheirOrder) {
  native310::Queue<int> queue;
  std::thread producer([&] {
    for (int value = 0; value < 200; ++value) queue.Push(value);
    queue.Close();
  });
  int expected = 0;
  while (const auto value = queue.Pop()) CHECK(*value == expected++);
  producer.join();
  CHECK(expected == 200);
}

TEST(AClosedQueueAcceptsNothing) {
  native310::Queue<int> queue;
  CHECK(queue.Push(1));
  queue.Close();
  CHECK(!queue.Push(2));
  CHECK(queue.Pop() == 1);
  CHECK(!queue.Pop());
}

TEST(NumbersDecideTheOrder) {
  native310::OrderedQueue<std::size_t> queue;
  std::vector<std::thread> producers;
  for (std::size_t first = 0; first < 4; ++first) {
    // The thread of the lowest numbers comes last.
    producers.emplace_back([&queue, first] {
      for (std::size_t number = 3 - first; number < 200; number += 4) queue.Push(number, 10 * number);
    });
  }
  for (std::size_t expected = 0; expected < 200; ++expected) CHECK(queue.Pop() == 10 * expected);
  for (std::thread& producer : producers) producer.join();
}

TEST(AClosedOrderedQueueIsEmpty) {
  native310::OrderedQueue<int> queue;
  CHECK(queue.Push(0, 5));
  queue.Close();
  CHECK(!queue.Push(1, 6));
  CHECK(!queue.Pop());
}
