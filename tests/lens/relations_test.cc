#include "heed/lens/relations.h"

#include <gtest/gtest.h>

#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::model_folder;

std::vector<Relation> score(const std::vector<RelatedWords>& pairs) {
  const auto folder = model_folder();
  return score_relations(*load_encoder(folder), *Tokenizer::load(folder), pairs);
}

TEST(Relations, APreviousTokenHeadFollowsTheWordBefore) {
  HEED_NEED_MODEL(model_folder());
  const auto relations = score({{"I sat by the river bank.", "bank", "river", "before"},
                                {"A red door.", "door", "red", "before"},
                                {"A red door.", "red", "door", "after"}});
  ASSERT_EQ(relations.size(), 2U);
  const Relation& before = relations[0];
  EXPECT_EQ(before.name, "before");
  EXPECT_EQ(before.pairs, 2);
  EXPECT_EQ(before.offset, -1);
  EXPECT_FLOAT_EQ(before.baseline, 1);
  EXPECT_EQ(before.heads.size(), 72U);
  EXPECT_EQ(before.heads[0].layer, 0);  // layer 0, head 2 looks one back
  EXPECT_EQ(before.heads[0].head, 2);
  EXPECT_FLOAT_EQ(before.heads[0].hits, 1);
  EXPECT_GT(before.heads[0].share, 0.99f);
  EXPECT_EQ(relations[1].offset, 1);
}

TEST(Relations, TheBaselineIsTheBestFixedPlace) {
  HEED_NEED_MODEL(model_folder());
  const auto relations = score({{"a b c d e f", "e", "c", "r"},
                                {"a b c d e f", "d", "b", "r"},
                                {"a b c d e f", "f", "b", "r"}});
  EXPECT_EQ(relations[0].offset, -2);
  EXPECT_NEAR(relations[0].baseline, 2.0 / 3, 1e-6);
}

TEST(Relations, AWordThatIsNotThereIsNamedWithItsPair) {
  HEED_NEED_MODEL(model_folder());
  expect_error(ErrorCode::invalid_argument, {"pair 2", "to-word 'shore'", "'A river.'"}, [] {
    score({{"A river.", "river", "A", "r"}, {"A river.", "river", "shore", "r"}});
  });
  expect_error(ErrorCode::invalid_argument, {"pair 1", "two words", "'river'"}, [] {
    score({{"A river.", "river", "River", "r"}});
  });
  expect_error(ErrorCode::invalid_argument, {"found none"}, [] { score({}); });
}

}  // namespace
}  // namespace heed
