#include "input_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "user_error.h"

namespace native310 {
namespace {

[[noreturn]] void Fail(const std::string& kind, const std::string& path, const std::string& problem,
                       const std::string& remedy) {
  throw UserError(kind + " " + path + " cannot be " + problem + ": " + remedy);
}

}  // namespace

void RequireRegularFile(const std::string& kind, const std::string& path, const std::string& remedy) {
  // The functions of the system would stop at a NUL and read another file.
  if (path.find('\0') != std::string::npos) Fail(kind, path.c_str(), "opened (its name goes on after a NUL)", remedy);
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) Fail(kind, path, std::string("opened (") + std::strerror(errno) + ")", remedy);
  if (S_ISDIR(status.st_mode)) Fail(kind, path, std::string("read (") + std::strerror(EISDIR) + ")", remedy);
  if (!S_ISREG(status.st_mode)) Fail(kind, path, "read (Not a regular file)", remedy);
}

InputStream OpenInput(const std::string& kind, const std::string& path, const std::string& remedy) {
  RequireRegularFile(kind, path, remedy);
  InputStream stream(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (stream == nullptr) Fail(kind, path, std::string("opened (") + std::strerror(errno) + ")", remedy);
  return stream;
}

}  // namespace native310
