#include "check.h"
#include "result_writer.h"

TEST(CocoResultsAreRounded) {
  const native310::Detection detection{{1.004F, 0.996F, 11.251F, 20.5F}, 0.123456F, 0};
  CHECK(native310::CocoResult({"42"}, {"7"}, detection) ==
        R"({"image_id":42,"category_id":7,"bbox":[1.0,1.0,10.25,19.5],"score":0.12346})");
}

TEST(HalvesAreRoundedToEven) {
  const native310::Detection detection{{0.125F, 0.375F, 0.25F, 0.5F}, 1.0F, 0};
  CHECK(native310::CocoResult({"1"}, {"18446744073709551615"}, detection) ==
        R"({"image_id":1,"category_id":18446744073709551615,"bbox":[0.12,0.38,0.12,0.12],"score":1.0})");
}
