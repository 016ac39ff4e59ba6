#include "image_source.h"

#include <filesystem>

#include "bins_source.h"
#include "user_error.h"
#ifdef NATIVE310_WITH_JPEG
#include "jpeg_source.h"
#endif

namespace native310 {

std::unique_ptr<ImageSource> OpenSource(const std::string& input, const std::string& annotations,
                                        const ModelDescription& model) {
  namespace fs = std::filesystem;
  if (!fs::exists(input)) throw UserError("input " + input + " does not exist: check --input");
  if (fs::path(input).filename() == "index.json") {
    return std::make_unique<BinsSource>(fs::absolute(input).parent_path().string(), model);
  }
  if (fs::is_directory(input) && fs::exists(input + "/index.json")) {
    return std::make_unique<BinsSource>(input, model);
  }
#ifdef NATIVE310_WITH_JPEG
  return std::make_unique<JpegSource>(input, annotations, model);
#else
  static_cast<void>(annotations);
  throw UserError("input " + input +
                  " has no index.json, and this build cannot read JPEG files: install libjpeg's headers and run CMake "
                  "again, or name a folder of bins");
#endif
}

}  // namespace native310
