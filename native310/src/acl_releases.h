// The acquired resources of AscendCL.
#pragma once

#include <acl/acl.h>

#include <functional>
#include <utility>
#include <vector>

namespace native310 {

// The acquired resources in order, each with the call that releases it.
class Releases {
 public:
  Releases() = default;
  Releases& operator=(Releases&&) = delete;  // neither copied nor moved
  ~Releases() { RunAll(); }

  void Add(const char* function, std::function<aclError()> release) {
    steps_.emplace_back(function, std::move(release));
  }

  // Releases everything, last first, even after a failure. Returns the first call that failed, or nullptr.
  const char* RunAll() {
    const char* failed = nullptr;
    while (!steps_.empty()) {
      const auto [function, release] = std::move(steps_.back());
      steps_.pop_back();
      if (release() != ACL_SUCCESS && failed == nullptr) failed = function;
    }
    return failed;
  }

 private:
  std::vector<std::pair<const char*, std::function<aclError()>>> steps_;
};

}  // namespace native310
