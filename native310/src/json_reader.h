// Reads JSON files with nlohmann/json. Only the members that the caller asks for are kept, so an annotation file of any
// size takes the same memory, and every error is one sentence that names the file and the member.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

namespace native310 {

struct JsonFile {
  std::string kind;  // such as "index"
  std::string path;
  std::string remedy;  // what to do if the content is wrong, such as "write the bins again"

  // Throws UserError "<kind> <path> <problem>: <remedy>".
  [[noreturn]] void Fail(const std::string& problem) const;
  // Throws UserError "... has <value> as <place>, not <expected>: ..." unless `is_right`.
  void Require(bool is_right, const nlohmann::json& value, const std::string& place, const std::string& expected) const;
};

// An object in a JSON file. All functions throw UserError if a value is missing or has the wrong type.
class JsonObject {
 public:
  // `place` is the path to the object, such as "images[3]"; empty for the top level.
  JsonObject(JsonFile file, const std::string& place, nlohmann::json value);

  // Returns a member as T, one of the types at the end of json_reader.cc; an int is a length in pixels, at least 1.
  template <typename T>
  T Get(const std::string& key) const;

  // Returns `fallback` if there is no such member.
  template <typename T>
  T Get(const std::string& key, const T& fallback) const {
    return Has(key) ? Get<T>(key) : fallback;
  }

  // JsonFile::Require() for a member.
  void Require(bool is_right, const std::string& key, const std::string& expected) const;

 private:
  bool Has(const std::string& key) const;

  JsonFile file_;
  std::string prefix_;  // what precedes a key in the path of a member
  std::shared_ptr<const nlohmann::json> value_;
};

// Reads the `members` of the top-level object and skips the others. If one of them, `streamed`, is an array, its
// elements are passed to `read_element` one at a time and not kept.
JsonObject ReadJson(const JsonFile& file, const std::set<std::string>& members, const std::string& streamed = "",
                    const std::function<void(const JsonObject&)>& read_element = nullptr);

}  // namespace native310
