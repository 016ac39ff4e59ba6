// Opens files to read.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace native310 {

using InputStream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Throws UserError "<kind> <path> cannot be ... (<reason>): <remedy>" unless `path` is a regular file. To open a pipe
// would wait for its writer, perhaps forever.
void RequireRegularFile(const std::string& kind, const std::string& path, const std::string& remedy);

// Opens a regular file. Throws UserError as RequireRegularFile() does.
InputStream OpenInput(const std::string& kind, const std::string& path, const std::string& remedy);

}  // namespace native310
