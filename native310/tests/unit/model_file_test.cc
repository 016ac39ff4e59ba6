#include "model_file.h"

#include "check.h"

namespace {

using native310::InputSpecFrom;

std::string ErrorOf(const std::vector<std::int64_t>& shape) {
  return testing::MessageOf(
      [&] { InputSpecFrom("m.om", shape, native310::Layout::kNchw, native310::ElementType::kFloat32); });
}

}  // namespace

TEST(ShapesOfImagesAreAccepted) {
  const native310::InputSpec spec =
      InputSpecFrom("m.om", {2, 64, 96, 3}, native310::Layout::kNchw, native310::ElementType::kUint8);
  CHECK(spec.batch == 2 && spec.size.height == 64 && spec.size.width == 96);
  CHECK(spec.layout == native310::Layout::kNhwc);
}

TEST(ShapesBeyondAnIntAreRejected) {
  constexpr std::int64_t kBeyond = std::int64_t{1} << 32;
  CHECK(ErrorOf({1, 3, kBeyond + 64, 96}).find("shape 1 x 3 x 4294967360 x 96, not a batch of RGB images") !=
        std::string::npos);
  CHECK(!ErrorOf({1, 3, 64, kBeyond + 96}).empty());
  CHECK(!ErrorOf({kBeyond + 1, 3, 64, 96}).empty());
  CHECK(!ErrorOf({-1, 3, 64, 96}).empty());
  CHECK(ErrorOf({1, 3, 65536, 65536}).empty());
}
