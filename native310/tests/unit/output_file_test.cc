#include "output_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>

#include "check.h"
#include "temporary_folder.h"

namespace {

namespace fs = std::filesystem;

using Folder = testing::TemporaryFolder;

// What the next fsync() does, and what it found.
struct Disk {
  bool is_broken = false;
  std::string final_path;
  int syncs = 0;
  bool had_final_name = false;
};

Disk g_disk;

}  // namespace

// In place of the system's.
extern "C" int fsync(int) {
  ++g_disk.syncs;
  g_disk.had_final_name = fs::exists(g_disk.final_path);
  errno = EIO;
  return g_disk.is_broken ? -1 : 0;
}

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

TEST(TemporaryNamesAreRecognised) {
  const Folder folder;
  native310::OutputFile file(folder.File("a.bin"));
  const std::string name = fs::directory_iterator(folder.name)->path().filename();
  CHECK(native310::IsTemporaryName(name));
  CHECK(!native310::IsTemporaryName(name + "0"));
  CHECK(!native310::IsTemporaryName("." + name));
  CHECK(!native310::IsTemporaryName(name.substr(0, name.size() - 1) + "g"));
  CHECK(!native310::IsTemporaryName("a.bin"));
}

TEST(AFileIsOnTheDiskBeforeItHasItsName) {
  const Folder folder;
  g_disk = {false, folder.File("a.bin")};
  native310::OutputFile file(folder.File("a.bin"));
  file.Finish();
  CHECK(g_disk.syncs == 1 && !g_disk.had_final_name && fs::exists(folder.File("a.bin")));
  native310::OutputFile buffered(folder.File("b.bin"));
  buffered.Finish(native310::Durability::kBuffered);
  CHECK(g_disk.syncs == 1 && fs::exists(folder.File("b.bin")));
}

TEST(AFileThatIsNotOnTheDiskGetsNoName) {
  const Folder folder;
  g_disk = {true, folder.File("a.bin")};
  const std::string problem = testing::MessageOf([&] { native310::OutputFile(folder.File("a.bin")).Finish(); });
  g_disk = {};
  CHECK(problem.find("a.bin cannot be written (Input/output error)") != std::string::npos);
  CHECK(folder.Entries() == 0);
}
