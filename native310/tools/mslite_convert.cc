// Converts an ONNX or MindIR file for MindSpore Lite, with the options of the vendor's converter_lite:
//   mslite_convert --fmk ONNX --modelFile x.onnx --outputFile y --saveType MINDIR_LITE [--configFile c]
// With the vendor's archive this runs converter_lite; the wheel has only the converter's library, without a header.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "../src/standard_streams.h"

#ifndef CONVERTER_PROGRAM
#include "include/api/status.h"
#include "include/api/types.h"

// The class that libmindspore_converter.so of release 2.0.0 exports; no header of the wheel declares it.
namespace mindspore {
namespace converter {
enum MS_API FmkType : int { kFmkTypeOnnx = 2, kFmkTypeMs = 3 };
}
class ConverterImpl;
class MS_API Converter {
 public:
  Converter(converter::FmkType framework, const std::vector<char>& model, const std::vector<char>& output,
            const std::vector<char>& weight);
  ~Converter() = default;
  void SetConfigFile(const std::vector<char>& path);
  void SetSaveType(ModelType type);
  Status Convert();

 private:
  std::shared_ptr<ConverterImpl> impl_;
};
}  // namespace mindspore
#endif

namespace {

namespace fs = std::filesystem;

constexpr char kUsage[] =
    "usage: mslite_convert --fmk ONNX|MINDIR --modelFile FILE --outputFile PATH --saveType MINDIR_LITE|MINDIR\n"
    "                      [--configFile FILE] [--optimize general|ascend_oriented]\n"
    "Writes PATH.ms (MINDIR_LITE) or PATH.mindir (MINDIR). --configFile holds the settings of post-training\n"
    "quantization. --optimize needs the vendor's archive.\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Options = std::map<std::string, std::string>;

Options ParseOptions(int argc, char** argv) {
  Options options = {{"fmk", ""},      {"modelFile", ""},  {"outputFile", ""},
                     {"saveType", ""}, {"configFile", ""}, {"optimize", ""}};
  for (int index = 1; index < argc; ++index) {
    std::string name = argv[index];
    std::string value;
    const std::size_t equals = name.find('=');
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (index + 1 < argc) {
      value = argv[++index];
    } else {
      throw UsageError("option " + name + " has no value: give one");
    }
    if (name.rfind("--", 0) != 0 || options.count(name.substr(2)) == 0) {
      throw UsageError("unknown option " + name + ": see --help for all options");
    }
    options[name.substr(2)] = value;
  }
  if (options["fmk"] != "ONNX" && options["fmk"] != "MINDIR") throw UsageError("--fmk must be ONNX or MINDIR");
  if (options["saveType"] != "MINDIR_LITE" && options["saveType"] != "MINDIR") {
    throw UsageError("--saveType must be MINDIR_LITE or MINDIR");
  }
  if (options["modelFile"].empty() || options["outputFile"].empty()) {
    throw UsageError("--modelFile and --outputFile are required");
  }
  return options;
}

#ifndef CONVERTER_PROGRAM

// The converter's library ends its process on some corrupt files, so the conversion runs in a second process: this
// program, called with this option first.
constexpr char kInProcess[] = "--in_process";

bool ConvertInProcess(const Options& options) {
  const auto chars = [](const std::string& text) { return std::vector<char>(text.begin(), text.end()); };
  mindspore::Converter converter(
      options.at("fmk") == "ONNX" ? mindspore::converter::kFmkTypeOnnx : mindspore::converter::kFmkTypeMs,
      chars(options.at("modelFile")), chars(options.at("outputFile")), {});
  if (!options.at("configFile").empty()) converter.SetConfigFile(chars(options.at("configFile")));
  converter.SetSaveType(options.at("saveType") == "MINDIR" ? mindspore::kMindIR : mindspore::kMindIR_Lite);
  return converter.Convert().IsOk();
}

#endif

// Runs the converter in a process of its own and returns whether it succeeded.
bool Convert(const Options& options, const std::string& output) {
#ifdef CONVERTER_PROGRAM
  std::vector<std::string> command = {CONVERTER_PROGRAM};
  // The vendor's program needs this to find the libraries beside it, as its manual says.
  const std::string libraries = (fs::path(command[0]).parent_path().parent_path() / "lib").string();
  const char* inherited = std::getenv("LD_LIBRARY_PATH");
  setenv("LD_LIBRARY_PATH", (inherited == nullptr ? libraries : libraries + ":" + inherited).c_str(), 1);
#else
  if (!options.at("optimize").empty() && options.at("optimize") != "general") {
    throw std::runtime_error("--optimize " + options.at("optimize") +
                             " needs converter_lite of the vendor's archive: point MSLITE_HOME at one and build again");
  }
  std::vector<std::string> command = {fs::read_symlink("/proc/self/exe").string(), kInProcess};
#endif
  for (const auto& [name, value] : options) {
    if (!value.empty()) command.push_back("--" + name + "=" + (name == "outputFile" ? output : value));
  }
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("the converter cannot be started: free some memory");
  if (child == 0) {
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A temporary folder under a name that was not there; removed in the end with all that the converter wrote to it.
class WorkFolder {
 public:
  explicit WorkFolder(const fs::path& parent) {
    std::string name = parent / ".mslite_convert.XXXXXX";
    std::error_code error;
    fs::create_directories(parent, error);
    if (!error && mkdtemp(name.data()) == nullptr) error = std::error_code(errno, std::generic_category());
    if (error) {
      throw std::runtime_error("a folder in " + parent.string() + " cannot be created (" + error.message() +
                               "): choose another --outputFile");
    }
    path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Gives a converted file its permissions and its name when it is on the disk.
void Publish(const fs::path& converted, const fs::path& final_path) {
  // The converter writes files that only their owner can read; the result gets the permissions of any other new file.
  const mode_t mask = umask(0);
  umask(mask);
  const int descriptor = open(converted.c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_synced = descriptor >= 0 && fchmod(descriptor, 0666 & ~mask) == 0 && fsync(descriptor) == 0;
  if (!is_synced || rename(converted.c_str(), final_path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    if (descriptor >= 0) close(descriptor);
    throw std::runtime_error("file " + final_path.string() + " cannot be written (" + reason +
                             "): free some disk space or choose another --outputFile");
  }
  close(descriptor);
}

void Run(const Options& options) {
  for (const char* name : {"modelFile", "configFile"}) {
    const std::string& path = options.at(name);
    if (!path.empty() && !fs::is_regular_file(path)) {
      throw std::runtime_error("file " + path + " does not exist: check --" + name);
    }
  }
  const std::string extension = options.at("saveType") == "MINDIR" ? ".mindir" : ".ms";
  fs::path output = options.at("outputFile");
  if (output.extension() == extension) output.replace_extension();
  const fs::path final_path = output.string() + extension;
  if (fs::is_directory(final_path)) {
    throw std::runtime_error("file " + final_path.string() +
                             " cannot be written (a folder has that name): choose another --outputFile");
  }
  const WorkFolder work(output.has_parent_path() ? output.parent_path() : ".");
  const fs::path converted = work.path() / output.filename();
  const bool is_converted = Convert(options, converted.string());
  const fs::path converted_file = converted.string() + extension;
  if (!is_converted || !fs::exists(converted_file)) {
    throw std::runtime_error("MindSpore Lite cannot convert " + options.at("modelFile") +
                             ": check that it is a complete " + options.at("fmk") +
                             " file with a fixed input shape (GLOG_v=1 shows the converter's own log)");
  }
  Publish(converted_file, final_path);
}

}  // namespace

int main(int argc, char** argv) {
  native310::OpenStandardStreams();
  if (argc > 1 && std::string(argv[1]) == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  try {
#ifndef CONVERTER_PROGRAM
    if (argc > 1 && std::string(argv[1]) == kInProcess) {
      return ConvertInProcess(ParseOptions(argc - 1, argv + 1)) ? 0 : 1;
    }
#endif
    setenv("GLOG_v", "4", 0);
    Run(ParseOptions(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mslite_convert: %s\n", error.what());
    return dynamic_cast<const UsageError*>(&error) != nullptr ? 2 : 1;
  }
}
