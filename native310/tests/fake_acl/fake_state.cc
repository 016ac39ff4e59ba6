#include "fake_state.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fake_acl {
State& State::Get() {
  static State state;
  return state;
}

bool State::Enter(const std::string& function) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  const int call = ++calls_[function];
  if (call == 1) order_.push_back(function);
  const char* failing = std::getenv("FAKE_ACL_FAIL");
  return failing != nullptr && function + ":" + std::to_string(call) == failing;
}

void State::Violation(const std::string& text) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  violations_.push_back(text);
}

bool State::Require(bool is_right, const std::string& text) {
  if (!is_right) Violation(text);
  return is_right;
}

void State::Add(const std::string& kind, const void* handle) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  alive_[kind].insert(handle);
}

void State::Remove(const std::string& kind, const void* handle, const std::vector<std::string>& dependents) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  Require(alive_[kind].erase(handle) == 1, kind + " released that is not alive");
  for (const std::string& dependent : dependents) {
    Require(!HasAny(dependent), kind + " released before its " + dependent);
  }
}

bool State::Has(const std::string& kind, const void* handle) const {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  const auto handles = alive_.find(kind);
  return handles != alive_.end() && handles->second.count(handle) == 1;
}

bool State::HasAny(const std::string& kind) const {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  const auto handles = alive_.find(kind);
  return handles != alive_.end() && !handles->second.empty();
}

State::~State() {
  const char* path = std::getenv("FAKE_ACL_REPORT");
  if (path == nullptr) return;
  nlohmann::json alive = nlohmann::json::object();
  for (const auto& [kind, handles] : alive_) {
    if (!handles.empty()) alive[kind] = handles.size();
  }
  const nlohmann::json report = {{"calls", calls_}, {"order", order_}, {"alive", alive}, {"violations", violations_}};
  std::ofstream(path) << report << "\n";
}

}  // namespace fake_acl
