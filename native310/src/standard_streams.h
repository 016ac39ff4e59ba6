// The standard streams of a process.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>

namespace native310 {

// Opens /dev/null for each standard stream that is closed. Otherwise the next file would get the number of the stream,
// and messages would be written into it.
inline void OpenStandardStreams() {
  for (int stream = 0; stream <= 2; ++stream) {
    const bool is_closed = fcntl(stream, F_GETFD) == -1 && errno == EBADF;
    // Without /dev/null there is no place for a message either.
    if (is_closed && open("/dev/null", O_RDWR) != stream) std::_Exit(EXIT_FAILURE);
  }
}

}  // namespace native310
