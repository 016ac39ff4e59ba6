// A minimal framework for unit tests: TEST(name) { CHECK(condition); }
#pragma once

#include <cstdio>
#include <functional>
#include <string>

namespace testing {

struct Registration {
  Registration(const char* name, std::function<void()> test);
};

void Note(bool is_true, const char* condition, const char* file, int line);

// Runs `action` and returns the message of its exception, or "" if it throws none.
std::string MessageOf(const std::function<void()>& action);

}  // namespace testing

#define TEST(name)                                                     \
  static void name();                                                  \
  static const testing::Registration name##_registration(#name, name); \
  static void name()

#define CHECK(condition) testing::Note((condition), #condition, __FILE__, __LINE__)
