#include "json_reader.h"

#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "check.h"
#include "coco_id.h"

namespace {

using native310::CocoId;
using native310::JsonObject;
using native310::ReadJson;

class TextFile {
 public:
  explicit TextFile(const std::string& text) {
    const int descriptor = mkstemp(path_);
    CHECK(write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    close(descriptor);
  }
  ~TextFile() { unlink(path_); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  native310::JsonFile file() const { return {"list", path_, "write it again"}; }

 private:
  char path_[40] = "/tmp/native310_json_XXXXXX";
};

// Reads the members "a", "b" and "items"; elements of "items" must have a whole number "id". Returns the error or "".
std::string ErrorOf(const std::string& text) {
  const TextFile text_file(text);
  return testing::MessageOf([&] {
    ReadJson(text_file.file(), {"a", "b", "items"}, "items",
             [](const JsonObject& item) { item.Get<std::int64_t>("id"); });
  });
}

bool Mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(MembersAreConverted) {
  const TextFile text_file(R"({"a": [[1, -2.5e2], [3, 4], [5, 6], [7, 8], [9, 8], [7, 6], [5, 4], [3, 2], [1, 0]],
                               "skipped": [[null, {"a": 5}], ""], "b": "\u00e9\uD83D\uDE00", "c": [20230817142355121, -2, 18446744073709551615],
                               "items": [{"id": 7, "flag": true}, {"id": -8, "size": 9}]})");
  std::vector<std::int64_t> ids;
  std::vector<int> sizes;
  const JsonObject json = ReadJson(text_file.file(), {"a", "b", "c", "items"}, "items", [&](const JsonObject& item) {
    ids.push_back(item.Get<std::int64_t>("id"));
    sizes.push_back(item.Get("size", 1));
  });
  CHECK((ids == std::vector<std::int64_t>{7, -8}));
  CHECK((sizes == std::vector<int>{1, 9}));
  const auto pairs = json.Get<std::array<std::array<double, 2>, 9>>("a");
  CHECK((pairs[0] == std::array<double, 2>{1, -250} && pairs[1] == std::array<double, 2>{3, 4}));
  CHECK((pairs[8] == std::array<double, 2>{1, 0}));
  CHECK((json.Get<std::vector<CocoId>>("c") ==
         std::vector<CocoId>{{"20230817142355121"}, {"-2"}, {"18446744073709551615"}}));
  CHECK(json.Get<std::string>("b") == "\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(Mentions(testing::MessageOf([&] { json.Get<bool>("skipped"); }), "has no skipped: write it again"));
}

TEST(InvalidJsonIsRejected) {
  for (const char* text :
       {"", "{", R"({"a": [1,]})", R"({"a" 1})", "{a: 1}", R"({"a": 01})", R"({"a": 1.})", R"({"a": nul})", "{} 2",
        "{\"a\": \"\n\"}", R"({"a": "\x"})", R"({"a": "\ud800"})", R"({"a": NaN})", R"({"a": 1,})", "{\"a\": \"\xFF\"}",
        R"({"skipped": [1,]})", R"({"skipped": 1e999})"}) {
    CHECK(Mentions(ErrorOf(text), " is not valid JSON at byte "));
  }
  const std::string error = ErrorOf("{\"a\":\n [1, 2");
  CHECK(Mentions(error, "at byte 13 (parse error at line 2, column 7: syntax error while parsing array"));
  CHECK(Mentions(error, "unexpected end of input"));
  // Neither a long token nor one that is not UTF-8 gets into the sentence.
  CHECK(ErrorOf("{\"a\": " + std::string(100000, '9') + "}").size() < 400);
  CHECK(ErrorOf("{\"a\": \"" + std::string(100000, 'x') + "\xFF\"}").size() < 400);
}

TEST(DeepNestingIsHarmless) {
  const std::string nested = std::string(100000, '[') + std::string(100000, ']');
  CHECK(ErrorOf("{\"skipped\": " + nested + "}").empty());
  CHECK(ErrorOf("{\"a\": " + nested + "}").empty());
  CHECK(Mentions(ErrorOf("{\"items\": [" + nested + "]}"), "has an array of 1 as items[0], not an object"));
  CHECK(Mentions(ErrorOf("{\"skipped\": " + std::string(100000, '[')), "unexpected end of input"));
}

TEST(WrongTypesAreRejectedWithTheirPlace) {
  CHECK(
      Mentions(ErrorOf(R"({"items": [{"id": 1}, {"id": 1.5}]})"), "has 1.5 as items[1].id, not a whole number: write"));
  CHECK(Mentions(ErrorOf(R"({"items": [{"id": 9223372036854775808}]})"), "has 9223372036854775808 as items[0].id"));
  CHECK(Mentions(ErrorOf(R"({"items": [{"id": -9223372036854775809}]})"), "as items[0].id, not a whole number"));
  CHECK(Mentions(ErrorOf(R"({"items": [{"id": [1]}]})"), "has an array of 1 as items[0].id"));
  CHECK(Mentions(ErrorOf(R"({"items": [{}]})"), "has no items[0].id"));
  CHECK(Mentions(ErrorOf(R"({"items": [3]})"), "has 3 as items[0], not an object"));
  CHECK(Mentions(ErrorOf("[{}]"), "has an array as its top level, not an object"));
  CHECK(Mentions(ErrorOf("null"), "has null as its top level, not an object"));
  CHECK(Mentions(ErrorOf(R"({"a": 1, "a": 2})"), "has the key \"a\" twice in one object"));
  CHECK(Mentions(ErrorOf(R"({"items": [{"id": 1}], "b": 1, "items": [{"id": 2}]})"), "has the key \"items\" twice"));
  CHECK(Mentions(ErrorOf(R"({"items": 1, "items": [{"id": 2}]})"), "has the key \"items\" twice"));
  CHECK(Mentions(ErrorOf(R"({"items": [{"id": 1, "id": 2}]})"), "has the key \"id\" twice"));
  CHECK(Mentions(ErrorOf(R"({"items": [[], {"id": 1}]})"), "as items[0], not an object"));
  CHECK(ErrorOf(R"({"skipped": {"a": 1, "a": 2}})").empty());
}

TEST(MissingFilesAndFoldersAreNamed) {
  const auto read = [](const std::string& path) {
    return testing::MessageOf([&] { ReadJson({"list", path, "write it again"}, {"a"}); });
  };
  CHECK(read("/nonexistent") == "list /nonexistent cannot be opened (No such file or directory): check the path");
  CHECK(read("/tmp") == "list /tmp cannot be read (Is a directory): check the path");
}
