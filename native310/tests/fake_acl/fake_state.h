// What the fake AscendCL remembers of its caller: calls, what is alive, what was done wrong.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace fake_acl {

// FAKE_ACL_FAIL=<function>:<n> makes the n-th call of a function fail (the first is 1). FAKE_ACL_REPORT=<file> receives
// a JSON object at exit: {"calls": {function: count}, "order": [function, by its first call], "alive": {kind: count},
// "violations": [text]}.
class State {
 public:
  static State& Get();

  // Counts a call; returns whether it is the one to fail. A release that fails has released all the same.
  bool Enter(const std::string& function);
  void Violation(const std::string& text);
  // Notes a violation unless `is_right`, and returns it.
  bool Require(bool is_right, const std::string& text);

  void Add(const std::string& kind, const void* handle);
  // A violation if there is no such thing, or if things that it holds up (`dependents`) are still alive.
  void Remove(const std::string& kind, const void* handle, const std::vector<std::string>& dependents = {});
  bool Has(const std::string& kind, const void* handle) const;
  bool HasAny(const std::string& kind) const;

  ~State();

 private:
  std::map<std::string, int> calls_;
  std::vector<std::string> order_;
  std::map<std::string, std::set<const void*>> alive_;
  std::vector<std::string> violations_;
};

}  // namespace fake_acl
