#include "json_reader.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

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

// Parses the wanted part of a file. The parser does not recurse, so deep nesting is harmless.
Json Parse(std::istream& stream, const JsonFile& file, const std::set<std::string>& members,
           const std::string& streamed, const std::function<void(const JsonObject&)>& read_element) {
  std::vector<std::set<std::string>> keys;  // of each object that is not complete yet
  std::string member;                       // the member of the top level that is being read
  std::size_t elements = 0;
  const auto is_kept = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) return true;
    if (event == Json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(name).second) file.Fail("has the key " + Describe(parsed) + " twice in one object");
      if (depth == 1) member = name;
      return depth > 1 || members.count(name) > 0;
    }
    if (depth != 2 || !read_element || member != streamed) return true;
    read_element(JsonObject(file, streamed + "[" + std::to_string(elements++) + "]", std::move(parsed)));
    return false;
  };
  try {
    return Json::parse(stream, is_kept);
  } catch (const Json::exception& error) {
    // A number too large for any type has no position.
    const auto* parse_error = dynamic_cast<const Json::parse_error*>(&error);
    const std::string place = parse_error == nullptr ? "" : " at byte " + std::to_string(parse_error->byte);
    std::string reason = error.what();
    // Without the library's error number, and without the text read last, which may be long and not even UTF-8.
    reason = reason.substr(0, reason.find("; last read: '"));
    reason = reason.substr(reason.find("] ") + 2, kMaxReason);
    file.Fail("is not valid JSON" + place + " (" + reason + ")");
  }
}

}  // namespace

void JsonFile::Fail(const std::string& problem) const {
  throw UserError(kind + " " + path + " " + problem + ": " + remedy);
}

JsonObject::JsonObject(JsonFile file, const std::string& place, Json value)
    : file_(std::move(file)), prefix_(place.empty() ? "" : place + "."), value_(std::move(value)) {
  Require(value_.is_object(), value_, place.empty() ? "its top level" : place, "an object");
}

void JsonObject::Require(bool is_right, const std::string& key, const std::string& expected) const {
  if (!is_right) Require(false, value_.at(key), prefix_ + key, expected);
}

void JsonObject::Require(bool is_right, const Json& value, const std::string& place,
                         const std::string& expected) const {
  if (!is_right) file_.Fail("has " + Describe(value) + " as " + place + ", not " + expected);
}

JsonObject ReadJson(const JsonFile& file, const std::set<std::string>& members, const std::string& streamed,
                    const std::function<void(const JsonObject&)>& read_element) {
  std::ifstream stream(file.path, std::ios::binary);
  if (!stream) {
    throw UserError(file.kind + " " + file.path + " cannot be opened (" + std::strerror(errno) + "): check the path");
  }
  try {
    return JsonObject(file, "", Parse(stream, file, members, streamed, read_element));
  } catch (const std::ios_base::failure& error) {
    throw UserError(file.kind + " " + file.path + " cannot be read (" + error.code().message() + "): check the path");
  }
}

}  // namespace native310
