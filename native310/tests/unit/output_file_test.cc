#include "output_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "check.h"

namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() { CHECK(mkdtemp(name) != nullptr); }
  ~Folder() { fs::remove_all(name); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string File(const std::string& file) const { return std::string(name) + "/" + file; }
  auto Entries() const { return std::distance(fs::directory_iterator(name), fs::directory_iterator()); }

  char name[40] = "/tmp/native310_files_XXXXXX";
};

}  // namespace

TEST(AFileAppearsWhole) {
  const Folder folder;
  const std::string large(1 << 20, 'x');
  native310::OutputFile file(folder.File("a.bin"));
  file.Write("start");
  file.Write(large);
  CHECK(!fs::exists(folder.File("a.bin")));
  file.Finish();
  CHECK(fs::file_size(folder.File("a.bin")) == large.size() + 5);
  CHECK(folder.Entries() == 1);
}

TEST(AnUnfinishedFileLeavesNothing) {
  const Folder folder;
  std::ofstream(folder.File("a.bin")) << "old";
  {
    native310::OutputFile(folder.File("a.bin")).Write("new");
  }
  CHECK(folder.Entries() == 1);
  std::string text;
  std::ifstream(folder.File("a.bin")) >> text;
  CHECK(text == "old");
}

TEST(AMissingFolderIsOneSentence) {
  const std::string problem = testing::MessageOf([] { native310::OutputFile("/nonexistent/a.bin"); });
  CHECK(problem.find("file /nonexistent/a.bin cannot be written (No such file or directory)") == 0);
}
