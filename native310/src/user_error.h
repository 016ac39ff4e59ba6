// Errors that the user can fix: one sentence that says what is wrong, where, and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace native310 {

// Something outside the program is wrong: a file, a device, the disk. Exit code 1.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The command line is wrong. Exit code 2.
class UsageError : public UserError {
 public:
  using UserError::UserError;
};

}  // namespace native310
