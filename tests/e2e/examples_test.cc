// The examples do what their first lines say.

#include <gtest/gtest.h>

#include "tests/e2e/program.h"

namespace heed::testing {
namespace {

Result run_example(const std::string& name) {
  const std::filesystem::path build = std::filesystem::path(HEED_PROGRAM).parent_path();
  return Process({(build / "examples" / ("example_" + name)).string()}, {}).wait();
}

TEST(Examples, AttentionGivesTheLessonsNumbers) {
  const Result result = run_example("attention");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out,
            "weight 0.431937\nweight 0.136126\nweight 0.431937\nanswer 6.615\nanswer 13.230\n"
            "answer 19.846\nseeing one key 10\n");
}

TEST(Examples, EmbedSaysThatTheTextsAreNear) {
  const auto model = model_folder();
  HEED_NEED_MODEL(model);
  const Result result = run_example("embed");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_GT(std::stod(result.out), 0.7) << result.out;
}

TEST(Examples, LookFindsTheRiverBank) {
  const auto model = model_folder();
  HEED_NEED_MODEL(model);
  const Result result = run_example("look");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("bank         looks at river        0.999 (head 2)"), std::string::npos)
      << result.out;
}

}  // namespace
}  // namespace heed::testing
