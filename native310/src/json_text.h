// JSON strings for writing.
#pragma once

#include <cstdio>
#include <string>

namespace native310 {

// Returns the text in quotes, escaped.
inline std::string JsonString(const std::string& text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      quoted += '\\';
      quoted += letter;
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(letter));
      quoted += escape;
    } else {
      quoted += letter;
    }
  }
  return quoted + "\"";
}

}  // namespace native310
