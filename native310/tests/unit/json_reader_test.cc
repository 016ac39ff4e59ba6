#include "json_reader.h"

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "check.h"

namespace {

using native310::JsonReader;

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
  const char* path() const { return path_; }

 private:
  char path_[40] = "/tmp/native310_json_XXXXXX";
};

// Reads any value; returns what is wrong with it, or "".
std::string ProblemOf(const std::string& text) {
  const TextFile file(text);
  return testing::MessageOf([&] {
    JsonReader json(file.path(), "test file");
    json.Skip();
    json.End();
  });
}

bool Mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(ValuesAreReadInTheirOrder) {
  const TextFile file("{\"a\": [1, -2.5e2, true], \"b\": {\"c\": \"x\"}, \"skipped\": [[null, {}], \"\"]}\n");
  JsonReader json(file.path(), "test file");
  std::vector<double> numbers;
  std::string text;
  json.Object([&](const std::string& key) {
    if (key == "a") {
      int index = 0;
      json.Array([&] { numbers.push_back(index++ < 2 ? json.Number() : (json.Boolean() ? 1 : 0)); });
    } else if (key == "b") {
      json.Object([&](const std::string&) { text = json.String(); });
    } else {
      json.Skip();
    }
  });
  json.End();
  CHECK((numbers == std::vector<double>{1, -250, 1}));
  CHECK(text == "x");
}

TEST(EscapesBecomeUtf8) {
  const TextFile file("\"\\u00e9\\n\\\"\\uD83D\\uDE00\\u4e2d\"");
  CHECK(JsonReader(file.path(), "test file").String() == "\xC3\xA9\n\"\xF0\x9F\x98\x80\xE4\xB8\xAD");
}

TEST(BrokenTextIsRefused) {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "{a: 1}", "[01]", "[1.]", "[+1]", "nul", "[1] 2", "\"\n\"",
                           "\"\\x\"", "\"\\ud800\"", "[NaN]", "{\"a\": 1,}"}) {
    CHECK(!ProblemOf(text).empty());
  }
  CHECK(Mentions(ProblemOf("{\"a\":\n [1, 2"), "line 2: the file is cut off"));
}

TEST(DeepNestingIsRefused) {
  CHECK(ProblemOf(std::string(60, '[') + std::string(60, ']')).empty());
  CHECK(Mentions(ProblemOf(std::string(100000, '[')), "nested too deeply"));
}

TEST(WrongKindsAreRefused) {
  const TextFile file("[1.5]");
  const std::string problem = testing::MessageOf([&] {
    JsonReader json(file.path(), "test file");
    json.Array([&] { json.Integer(); });
  });
  CHECK(Mentions(problem, "1.5 is not a whole number"));
}
