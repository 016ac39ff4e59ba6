#include "json_reader.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "coco_id.h"
#include "input_file.h"
#include "user_error.h"

namespace native310 {
namespace {

using Json = nlohmann::json;

// Longest excerpt of a file in an error, in bytes.
constexpr std::size_t kMaxExcerpt = 60;
// Longest explanation by the library in an error, in bytes.
constexpr std::size_t kMaxReason = 200;

std::string Describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array of " + std::to_string(value.size());
  // In ASCII, which can be cut anywhere.
  return value.dump(-1, ' ', true).substr(0, kMaxExcerpt);
}

// Converts a JSON value to C++, or explains with its place, such as "images[3].id", why that is not possible.
struct Converter {
  const JsonFile& file;

  template <typename T>
  void Convert(const Json& value, const std::string& place, T* target) const {
    if constexpr (std::is_same_v<T, std::string>) {
      file.Require(value.is_string(), value, place, "a string");
    } else if constexpr (std::is_same_v<T, bool>) {
      file.Require(value.is_boolean(), value, place, "true or false");
    } else if constexpr (std::is_floating_point_v<T>) {
      file.Require(value.is_number(), value, place, "a number");
    } else {
      // The library gives unsigned numbers above the range of std::int64_t as negative ones.
      const std::int64_t number = value.is_number_integer() ? value.get<std::int64_t>() : 0;
      const bool is_whole = value.is_number_integer() && (number >= 0 || !value.is_number_unsigned());
      file.Require(is_whole, value, place, "a whole number");
      const bool is_length = number >= 1 && number <= std::numeric_limits<int>::max();
      file.Require(is_length || !std::is_same_v<T, int>, value, place, "a length in pixels of at least 1");
    }
    *target = value.get<T>();
  }

  void Convert(const Json& value, const std::string& place, CocoId* target) const {
    file.Require(value.is_number_integer(), value, place, "a whole number");
    target->digits = value.dump();
  }

  template <typename T>
  void Convert(const Json& value, const std::string& place, std::vector<T>* target) const {
    file.Require(value.is_array(), value, place, "an array");
    target->resize(value.size());
    ConvertElements(value, place, target);
  }

  template <typename T, std::size_t N>
  void Convert(const Json& value, const std::string& place, std::array<T, N>* target) const {
    file.Require(value.is_array() && value.size() == N, value, place, "an array of " + std::to_string(N));
    ConvertElements(value, place, target);
  }

  template <typename Container>
  void ConvertElements(const Json& value, const std::string& place, Container* target) const {
    for (std::size_t index = 0; index < value.size(); ++index) {
      Convert(value[index], place + "[" + std::to_string(index) + "]", &(*target)[index]);
    }
  }
};

// Builds the wanted part of a file from the parser's events. Nothing here recurses, so deep nesting is harmless.
class Collector : public nlohmann::json_sax<Json> {
 public:
  Collector(const JsonFile& file, const std::set<std::string>& members, const std::string& streamed,
            const std::function<void(const JsonObject&)>& read_element)
      : file_(file), members_(members), streamed_(streamed), read_element_(read_element) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(std::int64_t value) override { return Add(value); }
  bool number_unsigned(std::uint64_t value) override { return Add(value); }
  bool number_float(double value, const std::string&) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(Json::binary_t&) override { return true; }  // never in JSON text
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool end_array() override { return Close(); }

  bool key(std::string& name) override {
    if (skipped_depth_ > 0) return true;
    Level& level = levels_.back();
    if (level.value.contains(name)) file_.Fail("has the key " + Describe(name) + " twice in one object");
    is_skipping_ = levels_.size() == 1 && members_.count(name) == 0;
    level.key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    std::string reason = error.what();
    // Without the library's error number, and without the text read last, which may be long and not even UTF-8.
    reason = reason.substr(0, reason.find("; last read: '"));
    reason = reason.substr(reason.find("] ") + 2, kMaxReason);
    file_.Fail("is not valid JSON at byte " + std::to_string(position) + " (" + reason + ")");
  }

  JsonObject TakeResult() { return JsonObject(file_, "", std::move(result_)); }

 private:
  // An object or array that is not complete yet, and the key of the member that is being read.
  struct Level {
    Json value;
    std::string key;
  };

  bool Open(Json empty) {
    if (is_skipping_) {
      ++skipped_depth_;
      return true;
    }
    if (levels_.empty() && empty.is_array()) file_.Fail("has an array as its top level, not an object");
    levels_.push_back({std::move(empty), ""});
    return true;
  }

  bool Close() {
    if (skipped_depth_ > 0) {
      --skipped_depth_;
      return true;
    }
    is_skipping_ = false;
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    return Add(std::move(value));
  }

  bool Add(Json value) {
    if (is_skipping_) return true;
    if (levels_.empty()) {
      result_ = std::move(value);
    } else if (Json& parent = levels_.back().value; parent.is_object()) {
      parent[levels_.back().key] = std::move(value);
    } else if (read_element_ && levels_.size() == 2 && levels_.front().key == streamed_) {
      read_element_(JsonObject(file_, streamed_ + "[" + std::to_string(elements_++) + "]", std::move(value)));
    } else {
      parent.push_back(std::move(value));
    }
    return true;
  }

  const JsonFile& file_;
  const std::set<std::string>& members_;
  const std::string& streamed_;
  const std::function<void(const JsonObject&)>& read_element_;
  Json result_;
  std::vector<Level> levels_;
  std::size_t elements_ = 0;
  bool is_skipping_ = false;       // a member that is not wanted
  std::size_t skipped_depth_ = 0;  // objects and arrays open in that member
};

}  // namespace

void JsonFile::Fail(const std::string& problem) const {
  throw UserError(kind + " " + path + " " + problem + ": " + remedy);
}

void JsonFile::Require(bool is_right, const Json& value, const std::string& place, const std::string& expected) const {
  if (!is_right) Fail("has " + Describe(value) + " as " + place + ", not " + expected);
}

JsonObject::JsonObject(JsonFile file, const std::string& place, Json value)
    : file_(std::move(file)),
      prefix_(place.empty() ? "" : place + "."),
      value_(std::make_shared<const Json>(std::move(value))) {
  file_.Require(value_->is_object(), *value_, place.empty() ? "its top level" : place, "an object");
}

bool JsonObject::Has(const std::string& key) const { return value_->contains(key); }

template <typename T>
T JsonObject::Get(const std::string& key) const {
  if (!Has(key)) file_.Fail("has no " + prefix_ + key);
  T value{};
  Converter{file_}.Convert(value_->at(key), prefix_ + key, &value);
  return value;
}

void JsonObject::Require(bool is_right, const std::string& key, const std::string& expected) const {
  if (is_right) return;
  if (!Has(key)) file_.Fail("has no " + prefix_ + key + ", which must be " + expected);
  file_.Require(false, value_->at(key), prefix_ + key, expected);
}

JsonObject ReadJson(const JsonFile& file, const std::set<std::string>& members, const std::string& streamed,
                    const std::function<void(const JsonObject&)>& read_element) {
  RequireRegularFile(file.kind, file.path, "check the path");
  std::ifstream stream(file.path, std::ios::binary);
  if (!stream) {
    throw UserError(file.kind + " " + file.path + " cannot be opened (" + std::strerror(errno) + "): check the path");
  }
  Collector collector(file, members, streamed, read_element);
  try {
    Json::sax_parse(stream, &collector);
  } catch (const std::ios_base::failure& error) {
    throw UserError(file.kind + " " + file.path + " cannot be read (" + error.code().message() + "): check the path");
  }
  return collector.TakeResult();
}

template bool JsonObject::Get(const std::string& key) const;
template int JsonObject::Get(const std::string& key) const;
template std::int64_t JsonObject::Get(const std::string& key) const;
template std::string JsonObject::Get(const std::string& key) const;
template CocoId JsonObject::Get(const std::string& key) const;
template std::vector<CocoId> JsonObject::Get(const std::string& key) const;
template std::vector<std::string> JsonObject::Get(const std::string& key) const;
template std::array<int, 2> JsonObject::Get(const std::string& key) const;
template std::array<float, 3> JsonObject::Get(const std::string& key) const;
template std::array<double, 2> JsonObject::Get(const std::string& key) const;
template std::array<std::array<double, 2>, 9> JsonObject::Get(const std::string& key) const;

}  // namespace native310
