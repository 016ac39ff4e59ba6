#include "check.h"

#include <exception>
#include <utility>
#include <vector>

namespace testing {
namespace {

struct Test {
  const char* name;
  std::function<void()> run;
};

std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

int g_failures = 0;

}  // namespace

Registration::Registration(const char* name, std::function<void()> test) { Tests().push_back({name, std::move(test)}); }

void Note(bool is_true, const char* condition, const char* file, int line) {
  if (is_true) return;
  std::printf("%s:%d: not true: %s\n", file, line, condition);
  ++g_failures;
}

std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace testing

int main() {
  int failed = 0;
  for (const testing::Test& test : testing::Tests()) {
    const int before = testing::g_failures;
    const std::string error = testing::MessageOf(test.run);
    if (!error.empty()) testing::Note(false, error.c_str(), test.name, 0);
    if (testing::g_failures != before) ++failed;
  }
  std::printf("%zu passed, %d failed\n", testing::Tests().size() - static_cast<std::size_t>(failed), failed);
  return failed == 0 ? 0 : 1;
}
