// A strict JSON reader that hands values over as it meets them: a 150 MB annotation file takes no more memory than a
// small one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace native310 {

class JsonReader {
 public:
  // Opens a file; `what` names it in errors, such as "index". Throws UserError, as all functions here do, if the file
  // is missing, unreadable, not JSON, or holds another kind of value than the one asked for.
  JsonReader(const std::string& path, const std::string& what);
  ~JsonReader();

  // Calls `member` for each key; it must read or Skip() the value.
  void Object(const std::function<void(const std::string& key)>& member);
  // Calls `element` before each element; it must read or Skip() it.
  void Array(const std::function<void()>& element);
  std::string String();
  double Number();
  std::int64_t Integer();
  bool Boolean();
  void Skip();
  // Checks that nothing follows the value.
  void End();

  // Throws UserError about the place reached: "<what> <path>, line N: <problem>".
  [[noreturn]] void Fail(const std::string& problem) const;

 private:
  struct File;

  int Peek();
  int Next();
  int PeekToken();
  void Expect(char wanted);
  void Literal(const char* text);
  std::string NumberText();
  void AppendEscape(std::string* text);
  unsigned HexCode();
  void Enter();

  std::unique_ptr<File> file_;
  int depth_ = 0;
};

}  // namespace native310
