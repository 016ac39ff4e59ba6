#include "args.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "user_error.h"

namespace native310 {
namespace {

int AvailableCpus() {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

int ParseInteger(const std::string& option, const std::string& text, int min_value) {
  char* end = nullptr;
  errno = 0;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno != 0 || value < min_value || value > std::numeric_limits<int>::max()) {
    throw UsageError(option + " is " + text + ": give a whole number of at least " + std::to_string(min_value));
  }
  return static_cast<int>(value);
}

double ParseFraction(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0 && value <= 1)) {
    throw UsageError(option + " is " + text + ": give a number from 0 to 1");
  }
  return value;
}

std::string ParseChoice(const std::string& option, const std::string& text, const std::vector<std::string>& choices) {
  std::string listed;
  for (const std::string& choice : choices) {
    if (text == choice) return text;
    listed += (listed.empty() ? "" : ", ") + choice;
  }
  throw UsageError(option + " is " + text + ": choose one of " + listed);
}

struct Option {
  std::string name;
  std::string value;  // placeholder in the usage text
  std::string help;
  std::function<void(const std::string& name, const std::string& text)> set;
};

auto Text(std::string* target) {
  return [target](const std::string&, const std::string& text) { *target = text; };
}

auto Integer(int* target, int min_value) {
  return [=](const std::string& name, const std::string& text) { *target = ParseInteger(name, text, min_value); };
}

auto Fraction(double* target) {
  return [target](const std::string& name, const std::string& text) { *target = ParseFraction(name, text); };
}

auto Flag(bool* target) {
  return [target](const std::string& name, const std::string& text) {
    *target = ParseChoice(name, text, {"0", "1"}) == "1";
  };
}

auto Choice(std::string* target, const std::vector<std::string>& choices) {
  return [=](const std::string& name, const std::string& text) { *target = ParseChoice(name, text, choices); };
}

// The options, which set members of `args`.
std::vector<Option> Options(Args* args) {
  EngineOptions* engine = &args->engine_options;
  return {
      {"--model", "FILE", "model: .ms or .mindir (lite), .onnx or .xml (openvino), .om (acl); FILE.json describes it",
       Text(&engine->model_path)},
      {"--input", "PATH",
       "folder with index.json and bins, folder of JPEG files, one JPEG file, or a .txt list of them",
       Text(&args->input)},
      {"--output", "FOLDER", "folder for the results", Text(&args->output)},
      {"--engine", "NAME", "lite, openvino or acl (default lite)", Choice(&args->engine, {"lite", "openvino", "acl"})},
      {"--device", "NAME", "cpu or ascend (default cpu; engine acl: ascend)",
       Choice(&engine->device, {"cpu", "ascend"})},
      {"--device_id", "N", "number of the Ascend device (default 0)", Integer(&engine->device_id, 0)},
      {"--threads", "N", "CPU threads of the network, and of reading, at most one per available CPU (default: all)",
       Integer(&engine->threads, 1)},
      {"--precision", "NAME", "float32 (default) or bfloat16 (openvino only; faster on CPUs that support it)",
       Choice(&engine->precision, {"float32", "bfloat16"})},
      {"--warmup", "N", "runs of the network before timing starts (default 3)", Integer(&args->warmup, 0)},
      {"--annotations", "FILE",
       "COCO annotations with the ids of the JPEG files (default: the number at the end of the name)",
       Text(&args->annotations)},
      {"--raw", "0|1", "1 writes the raw maps to result_Files/, 0 (default) does not", Flag(&args->writes_raw)},
      {"--score_threshold", "X", "minimum score of a detection, 0 to 1 (default 0.001)",
       Fraction(&args->postprocess.score_threshold)},
      {"--nms_threshold", "X", "IoU above which the weaker of two boxes is dropped, 0 to 1 (default 0.5)",
       Fraction(&args->postprocess.nms_threshold)},
      {"--max_detections", "N", "maximum number of detections per image (default 0: no limit)",
       Integer(&args->postprocess.max_detections, 0)},
      {"--multi_label", "0|1", "1 reports a prediction for every class, 0 (default) for its best one",
       Flag(&args->postprocess.multi_label)},
  };
}

}  // namespace

Args ParseArgs(int argc, const char* const* argv) {
  Args args;
  const std::vector<Option> options = Options(&args);
  args.engine_options.threads = AvailableCpus();
  for (int index = 1; index < argc; ++index) {
    std::string name = argv[index];
    if (name == "--help" || name == "-h") {
      args.help = true;
      return args;
    }
    const std::size_t equals = name.find('=');
    std::string value;
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const auto option =
        std::find_if(options.begin(), options.end(), [&](const Option& known) { return known.name == name; });
    if (option == options.end()) throw UsageError("unknown option " + name + ": see --help for all options");
    if (equals == std::string::npos) {
      if (++index == argc) throw UsageError("option " + name + " has no value: give " + option->value);
      value = argv[index];
    }
    option->set(name, value);
  }
  if (args.engine_options.model_path.empty() || args.input.empty() || args.output.empty()) {
    throw UsageError("--model, --input and --output are required: see --help");
  }
  if (args.engine_options.precision != "float32" && args.engine != "openvino") {
    throw UsageError("engine " + args.engine + " does not support --precision " + args.engine_options.precision +
                     ": use --engine openvino, or omit --precision");
  }
  // More threads than CPUs wait for each other; MindSpore Lite then takes twice as long.
  args.engine_options.threads = std::min(args.engine_options.threads, AvailableCpus());
  if (args.engine_options.device.empty()) args.engine_options.device = args.engine == "acl" ? "ascend" : "cpu";
  return args;
}

std::string Usage() {
  std::string usage =
      "usage: native310 --model FILE --input PATH --output FOLDER [options]\n"
      "Runs a YOLOv3 network over images and writes raw maps, detections and timings.\n\n";
  Args args;
  for (const Option& option : Options(&args)) {
    std::string left = "  " + option.name + " " + option.value;
    left.resize(std::max<std::size_t>(left.size() + 2, 26), ' ');
    usage += left + option.help + "\n";
  }
  return usage + "  --help                  show this help\n";
}

}  // namespace native310
