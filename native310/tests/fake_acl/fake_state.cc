#include "fake_state.h"

#include <cstdio>
#include <cstdlib>

namespace fake_acl {
namespace {

void WriteTexts(std::FILE* file, const char* heading, const std::vector<std::string>& texts) {
  std::fputs(heading, file);
  const char* separator = "";
  for (const std::string& text : texts) {
    std::fprintf(file, "%s\"%s\"", separator, text.c_str());
    separator = ", ";
  }
}

}  // namespace

State& State::Get() {
  static State state;
  return state;
}

bool State::Enter(const std::string& function) {
  const int call = ++calls_[function];
  if (call == 1) order_.push_back(function);
  const char* wanted = std::getenv("FAKE_ACL_FAIL");
  return wanted != nullptr && function + ":" + std::to_string(call) == wanted;
}

void State::Violation(const std::string& text) { violations_.push_back(text); }

bool State::Require(bool is_right, const std::string& text) {
  if (!is_right) Violation(text);
  return is_right;
}

void State::Add(const std::string& kind, const void* handle) { alive_[kind].insert(handle); }

void State::Remove(const std::string& kind, const void* handle, const std::vector<std::string>& dependents) {
  Require(alive_[kind].erase(handle) == 1, kind + " given back that is not alive");
  for (const std::string& dependent : dependents) {
    Require(!HasAny(dependent), kind + " given back before its " + dependent);
  }
}

bool State::Has(const std::string& kind, const void* handle) const {
  const auto found = alive_.find(kind);
  return found != alive_.end() && found->second.count(handle) == 1;
}

bool State::HasAny(const std::string& kind) const {
  const auto found = alive_.find(kind);
  return found != alive_.end() && !found->second.empty();
}

State::~State() {
  const char* path = std::getenv("FAKE_ACL_REPORT");
  if (path == nullptr) return;
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) return;
  const char* separator = "";
  std::fputs("{\"calls\": {", file);
  for (const auto& [function, count] : calls_) {
    std::fprintf(file, "%s\"%s\": %d", separator, function.c_str(), count);
    separator = ", ";
  }
  WriteTexts(file, "}, \"order\": [", order_);
  separator = "";
  std::fputs("], \"alive\": {", file);
  for (const auto& [kind, handles] : alive_) {
    if (handles.empty()) continue;
    std::fprintf(file, "%s\"%s\": %zu", separator, kind.c_str(), handles.size());
    separator = ", ";
  }
  WriteTexts(file, "}, \"violations\": [", violations_);
  std::fputs("]}\n", file);
  std::fclose(file);
}

}  // namespace fake_acl
