// What the fake AscendCL records, from all threads: calls, live handles, and violations of the interface by the caller.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
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

  // Counts a call; returns whether it is the one that must fail. A release that fails still releases.
  bool Enter(const std::string& function);
  void Violation(const std::string& text);
  // Records a violation unless `is_right`. Returns `is_right`.
  bool Require(bool is_right, const std::string& text);

  void Add(const std::string& kind, const void* handle);
  // Records a violation if the handle is not alive, or if a handle of a kind that depends on it is.
  void Remove(const std::string& kind, const void* handle, const std::vector<std::string>& dependents = {});
  bool Has(const std::string& kind, const void* handle) const;
  bool HasAny(const std::string& kind) const;

  ~State();

 private:
  mutable std::recursive_mutex mutex_;
  std::map<std::string, int> calls_;
  std::vector<std::string> order_;
  std::map<std::string, std::set<const void*>> alive_;
  std::vector<std::string> violations_;
};

}  // namespace fake_acl
