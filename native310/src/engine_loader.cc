#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "engine.h"
#include "user_error.h"

namespace native310 {
namespace {

namespace fs = std::filesystem;

std::string HowToBuild(const std::string& engine) {
  if (engine == "lite") return "set MSLITE_ROOT to MindSpore Lite (workflow/scripts/mslite_runtime.py provides it)";
  if (engine == "acl") return "source the set_env.sh of CANN, or set ACL_ROOT to its folder";
  return "pip install openvino and set OpenVINO_DIR to the folder openvino/cmake of that package";
}

}  // namespace

std::unique_ptr<Engine> LoadEngine(const std::string& name, const EngineOptions& options) {
  const fs::path module = fs::read_symlink("/proc/self/exe").parent_path() / ("libnative310_engine_" + name + ".so");
  if (!fs::exists(module)) {
    throw UserError("engine " + name + " is not in this build: " + HowToBuild(name) + ", then run CMake again");
  }
  // MindSpore Lite logs its errors at length; this program reports them in one sentence. A value set by the user stays.
  setenv("GLOG_v", "4", 0);
  void* handle = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw UserError("engine " + name + " cannot be loaded (" + dlerror() +
                    "): restore the libraries that it was built with, or build again");
  }
  // The module is never unloaded, because the vendors' libraries do not survive that.
  const auto create = reinterpret_cast<decltype(&CreateNative310Engine)>(dlsym(handle, "CreateNative310Engine"));
  if (create == nullptr) throw UserError("file " + module.string() + " is not an engine of this program: build again");
  return std::unique_ptr<Engine>(create(options));
}

}  // namespace native310
