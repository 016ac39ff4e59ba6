// A folder that is removed at the end of a test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>

#include "check.h"

namespace testing {

struct TemporaryFolder {
  TemporaryFolder() { CHECK(mkdtemp(name) != nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(name); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string File(const std::string& file) const { return std::string(name) + "/" + file; }
  auto Entries() const {
    return std::distance(std::filesystem::directory_iterator(name), std::filesystem::directory_iterator());
  }

  char name[40] = "/tmp/native310_files_XXXXXX";
};

}  // namespace testing
