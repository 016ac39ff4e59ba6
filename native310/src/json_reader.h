// Reads JSON files with nlohmann/json. Only the members that the caller asks for are kept, so an annotation file of any
// size takes the same memory, and every error is one sentence that names the file and the member.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace native310 {

struct JsonFile {
  std::string kind;  // such as "index"
  std::string path;
  std::string remedy;  // what to do if the content is wrong, such as "write the bins again"

  // Throws UserError "<kind> <path> <problem>: <remedy>".
  [[noreturn]] void Fail(const std::string& problem) const;
};

// An object in a JSON file. All functions throw UserError if a value is missing or has the wrong type.
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

  // Throws UserError "... has <value> as <key>, not <expected>: ..." unless `is_right`.
  void Require(bool is_right, const std::string& key, const std::string& expected) const;

 private:
  void Require(bool is_right, const nlohmann::json& value, const std::string& place, const std::string& expected) const;

  template <typename T>
  void Convert(const nlohmann::json& value, const std::string& place, T* target) const {
    if constexpr (std::is_same_v<T, std::string>) {
      Require(value.is_string(), value, place, "a string");
    } else if constexpr (std::is_same_v<T, bool>) {
      Require(value.is_boolean(), value, place, "true or false");
    } else if constexpr (std::is_floating_point_v<T>) {
      Require(value.is_number(), value, place, "a number");
    } else {
      // The library gives unsigned numbers above the range of std::int64_t as negative ones.
      const std::int64_t number = value.is_number_integer() ? value.get<std::int64_t>() : 0;
      const bool is_whole = value.is_number_integer() && (number >= 0 || !value.is_number_unsigned());
      Require(is_whole, value, place, "a whole number");
      const bool is_length = number >= 1 && number <= std::numeric_limits<int>::max();
      Require(is_length || !std::is_same_v<T, int>, value, place, "a length in pixels of at least 1");
    }
    *target = value.get<T>();
  }

  template <typename T>
  void Convert(const nlohmann::json& value, const std::string& place, std::vector<T>* target) const {
    Require(value.is_array(), value, place, "an array");
    target->resize(value.size());
    ConvertElements(value, place, target);
  }

  template <typename T, std::size_t N>
  void Convert(const nlohmann::json& value, const std::string& place, std::array<T, N>* target) const {
    Require(value.is_array() && value.size() == N, value, place, "an array of " + std::to_string(N));
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

// Reads the `members` of the top-level object and skips the others. If one of them, `streamed`, is an array, its
// elements are passed to `read_element` one at a time and not kept.
JsonObject ReadJson(const JsonFile& file, const std::set<std::string>& members, const std::string& streamed = "",
                    const std::function<void(const JsonObject&)>& read_element = nullptr);

}  // namespace native310
