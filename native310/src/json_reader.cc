#include "json_reader.h"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "user_error.h"

namespace native310 {
namespace {

constexpr int kEnd = -1;
constexpr int kMaxDepth = 64;

void AppendUtf8(unsigned code, std::string* text) {
  const auto add = [text](unsigned byte) { text->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | (code >> 6));
    add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | (code >> 12));
    add(0x80 | ((code >> 6) & 0x3F));
    add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | (code >> 18));
    add(0x80 | ((code >> 12) & 0x3F));
    add(0x80 | ((code >> 6) & 0x3F));
    add(0x80 | (code & 0x3F));
  }
}

}  // namespace

struct JsonReader::File {
  std::string path;
  std::string what;
  std::FILE* stream = nullptr;
  std::array<unsigned char, 1 << 16> buffer;
  std::size_t position = 0;
  std::size_t filled = 0;
  std::int64_t line = 1;

  ~File() {
    if (stream != nullptr) std::fclose(stream);
  }
};

JsonReader::JsonReader(const std::string& path, const std::string& what) : file_(std::make_unique<File>()) {
  file_->path = path;
  file_->what = what;
  file_->stream = std::fopen(path.c_str(), "rb");
  if (file_->stream == nullptr) {
    throw UserError(what + " " + path + " cannot be opened (" + std::strerror(errno) + "): check the path");
  }
}

JsonReader::~JsonReader() = default;

void JsonReader::Fail(const std::string& problem) const {
  throw UserError(file_->what + " " + file_->path + ", line " + std::to_string(file_->line) + ": " + problem +
                  "; write the file again");
}

int JsonReader::Peek() {
  File& file = *file_;
  if (file.position == file.filled) {
    file.position = 0;
    file.filled = std::fread(file.buffer.data(), 1, file.buffer.size(), file.stream);
    if (std::ferror(file.stream) != 0) {
      throw UserError(file.what + " " + file.path + " cannot be read (" + std::strerror(errno) + "): check the path");
    }
    if (file.filled == 0) return kEnd;
  }
  return file.buffer[file.position];
}

int JsonReader::Next() {
  const int byte = Peek();
  if (byte == kEnd) Fail("the file is cut off");
  ++file_->position;
  if (byte == '\n') ++file_->line;
  return byte;
}

int JsonReader::PeekToken() {
  int byte = Peek();
  while (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n') {
    Next();
    byte = Peek();
  }
  return byte;
}

void JsonReader::Expect(char wanted) {
  const int found = PeekToken();
  if (found == kEnd) Fail("the file is cut off");
  if (found != wanted) Fail(std::string("'") + wanted + "' expected");
  Next();
}

void JsonReader::Enter() {
  if (++depth_ > kMaxDepth) Fail("values are nested too deeply");
}

void JsonReader::Object(const std::function<void(const std::string& key)>& member) {
  Expect('{');
  Enter();
  if (PeekToken() != '}') {
    while (true) {
      const std::string key = String();
      Expect(':');
      member(key);
      if (PeekToken() == '}') break;
      Expect(',');
    }
  }
  Next();
  --depth_;
}

void JsonReader::Array(const std::function<void()>& element) {
  Expect('[');
  Enter();
  if (PeekToken() != ']') {
    while (true) {
      element();
      if (PeekToken() == ']') break;
      Expect(',');
    }
  }
  Next();
  --depth_;
}

unsigned JsonReader::HexCode() {
  unsigned code = 0;
  for (int digit = 0; digit < 4; ++digit) {
    const int byte = Next();
    code <<= 4;
    if (byte >= '0' && byte <= '9') {
      code |= static_cast<unsigned>(byte - '0');
    } else if (byte >= 'a' && byte <= 'f') {
      code |= static_cast<unsigned>(byte - 'a' + 10);
    } else if (byte >= 'A' && byte <= 'F') {
      code |= static_cast<unsigned>(byte - 'A' + 10);
    } else {
      Fail("\\u is not followed by four hexadecimal digits");
    }
  }
  return code;
}

void JsonReader::AppendEscape(std::string* text) {
  const int escaped = Next();
  constexpr char kNames[] = "\"\\/bfnrt";
  constexpr char kValues[] = "\"\\/\b\f\n\r\t";
  if (escaped != 'u') {
    const char* name = escaped == 0 ? nullptr : std::strchr(kNames, escaped);
    if (name == nullptr) Fail("unknown escape in a string");
    text->push_back(kValues[name - kNames]);
    return;
  }
  unsigned code = HexCode();
  if (code >= 0xD800 && code < 0xDC00) {
    if (Next() != '\\' || Next() != 'u') Fail("half of a surrogate pair in a string");
    const unsigned low = HexCode();
    if (low < 0xDC00 || low > 0xDFFF) Fail("half of a surrogate pair in a string");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code <= 0xDFFF) {
    Fail("half of a surrogate pair in a string");
  }
  AppendUtf8(code, text);
}

std::string JsonReader::String() {
  Expect('"');
  std::string text;
  for (int byte = Next(); byte != '"'; byte = Next()) {
    if (byte < 0x20) Fail("control character in a string");
    if (byte == '\\') {
      AppendEscape(&text);
    } else {
      text.push_back(static_cast<char>(byte));
    }
  }
  return text;
}

std::string JsonReader::NumberText() {
  std::string text;
  const auto digits = [this, &text] {
    if (Peek() < '0' || Peek() > '9') Fail("number expected");
    while (Peek() >= '0' && Peek() <= '9') text.push_back(static_cast<char>(Next()));
  };
  PeekToken();
  if (Peek() == '-') text.push_back(static_cast<char>(Next()));
  const bool starts_with_zero = Peek() == '0';
  const std::size_t first = text.size();
  digits();
  if (starts_with_zero && text.size() > first + 1) Fail("number with a leading zero");
  if (Peek() == '.') {
    text.push_back(static_cast<char>(Next()));
    digits();
  }
  if (Peek() == 'e' || Peek() == 'E') {
    text.push_back(static_cast<char>(Next()));
    if (Peek() == '+' || Peek() == '-') text.push_back(static_cast<char>(Next()));
    digits();
  }
  return text;
}

double JsonReader::Number() {
  const double value = std::strtod(NumberText().c_str(), nullptr);
  if (!std::isfinite(value)) Fail("number out of range");
  return value;
}

std::int64_t JsonReader::Integer() {
  const std::string text = NumberText();
  char* end = nullptr;
  errno = 0;
  const std::int64_t value = std::strtoll(text.c_str(), &end, 10);
  if (*end != '\0' || errno != 0) Fail(text + " is not a whole number");
  return value;
}

void JsonReader::Literal(const char* text) {
  for (const char* letter = text; *letter != '\0'; ++letter) {
    if (Next() != *letter) Fail(std::string(text) + " expected");
  }
}

bool JsonReader::Boolean() {
  const bool value = PeekToken() == 't';
  Literal(value ? "true" : "false");
  return value;
}

void JsonReader::Skip() {
  switch (PeekToken()) {
    case '{':
      Object([this](const std::string&) { Skip(); });
      break;
    case '[':
      Array([this] { Skip(); });
      break;
    case '"':
      String();
      break;
    case 't':
    case 'f':
      Boolean();
      break;
    case 'n':
      Literal("null");
      break;
    default:
      NumberText();
  }
}

void JsonReader::End() {
  if (PeekToken() != kEnd) Fail("something follows the end of the value");
}

}  // namespace native310
