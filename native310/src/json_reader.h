// Reads JSON files with nlohmann/json. Only the members that the caller asks for are kept, so reading an annotation file
// takes the same memory whatever its size, and every error is one sentence that names the file and the member.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace native310 {

struct JsonFile {
  std::string kind;  // such as "index"
  std::string path;
  std::string remedy;  // what to do if its content is wrong, such as "write the bins again"

  // Throws UserError "<kind> <path> <problem>: <remedy>".
  [[noreturn]] void Fail(const std::string& problem) const;
};

// An object in a JSON file. All functions here throw UserError if a value is missing or has the wrong type.
class JsonObject {
 public:
  // `place` is the path to the object, such as "images[3]"; empty for the top level.
  JsonObject(JsonFile file, const std::string& place, nlohmann::json value);

  // Returns a member as T: std::int64_t, int (a length in pixels, at least 1), double, float, bool, std::string, or a
  // std::vector or std::array of these.
  template <typename T>
  T Get(const std::string& key) const {
    const auto member = value_.find(key);
    if (member == value_.end()) file_.Fail("has no " + prefix_ + key);
    T value{};
    Convert(*member, prefix_ + key, &value);
    return value;
  }

  // Returns `fallback` if there is no such member.
  template <typename T>
  T Get(const std::string& key, const T& fallback) const {
    return value_.contains(key) ? Get<T>(key) : fallback;
  }

  // Throws UserError: the value of a member is not what `expected` says.
  [[noreturn]] void Reject(const std::string& key, const std::string& expected) const;

 private:
  [[noreturn]] void Reject(const nlohmann::json& value, const std::string& place, const std::string& expected) const;
  void Convert(const nlohmann::json& value, const std::string& place, std::int64_t* target) const;
  void Convert(const nlohmann::json& value, const std::string& place, int* target) const;
  void Convert(const nlohmann::json& value, const std::string& place, double* target) const;
  void Convert(const nlohmann::json& value, const std::string& place, float* target) const;
  void Convert(const nlohmann::json& value, const std::string& place, bool* target) const;
  void Convert(const nlohmann::json& value, const std::string& place, std::string* target) const;

  template <typename T>
  void Convert(const nlohmann::json& value, const std::string& place, std::vector<T>* target) const {
    if (!value.is_array()) Reject(value, place, "an array");
    target->resize(value.size());
    ConvertElements(value, place, target);
  }

  template <typename T, std::size_t N>
  void Convert(const nlohmann::json& value, const std::string& place, std::array<T, N>* target) const {
    if (!value.is_array() || value.size() != N) Reject(value, place, "an array of " + std::to_string(N));
    ConvertElements(value, place, target);
  }

  template <typename Container>
  void ConvertElements(const nlohmann::json& value, const std::string& place, Container* target) const {
    for (std::size_t index = 0; index < value.size(); ++index) {
      Convert(value[index], place + "[" + std::to_string(index) + "]", &(*target)[index]);
    }
  }

  JsonFile file_;
  std::string prefix_;  // what precedes a key in the path of a member
  nlohmann::json value_;
};

// Reads the `members` of the top-level object and skips the others. If one of them, `streamed`, is an array, its elements
// are passed to `read_element` one at a time and not kept.
JsonObject ReadJson(const JsonFile& file, const std::set<std::string>& members, const std::string& streamed = "",
                    const std::function<void(const JsonObject&)>& read_element = nullptr);

}  // namespace native310
