#include "heed/train/token_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/expect_error.h"

namespace heed {
namespace {

TEST(TokenRows, GatherPadsIdsAndTargets) {
  const TokenRows tags{.ids = {{1, 2, 3}, {4}}, .targets = {{0, -100, 1}, {2}}, .per_token = true};
  const TrainBatch batch = gather(tags, {1, 0});
  EXPECT_EQ(batch.tokens, 4);
  EXPECT_EQ(batch.count, 3);
  const auto targets = batch.targets.span<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(targets.begin(), targets.end()),
            (std::vector<int32_t>{2, -100, -100, 0, -100, 1}));
  const TokenRows classes{.ids = {{1, 2, 3}, {4}}, .targets = {{5}, {6}}};
  const TrainBatch two = gather(classes, {0, 1});
  EXPECT_EQ(two.targets.shape(), (Shape{2}));
  EXPECT_EQ(two.count, 2);
}

TEST(TokenRows, SplitKeepsEveryRowOnOneSide) {
  const RowSplit split = split_rows(20, 0.25, 3);
  EXPECT_EQ(split.valid.size(), 5U);
  EXPECT_EQ(split.train.size(), 15U);
  std::vector<bool> seen(20);
  for (const auto* side : {&split.train, &split.valid}) {
    for (const int64_t row : *side) {
      EXPECT_FALSE(seen[static_cast<size_t>(row)]);
      seen[static_cast<size_t>(row)] = true;
    }
  }
  EXPECT_EQ(split_rows(20, 0.25, 3).valid, split.valid);
  EXPECT_TRUE(split_rows(20, 0, 3).valid.empty());
  expect_error(ErrorCode::invalid_argument,
               {"found 1 row and a validation_part of 0.1", "rows to train on"},
               [] { split_rows(1, 0.1, 0); });
}

TEST(TokenRows, JudgeSumsTheLossInDouble) {
  const Judged judged = judge(Tensor::from({0, 1, 2, 5, 0, 0}, {2, 3}),
                              Tensor::from(std::vector<int32_t>{2, -100}, {2}));
  EXPECT_EQ(judged.count, 1);
  EXPECT_EQ(judged.likeliest, (std::vector<int32_t>{2, 0}));
  EXPECT_NEAR(judged.loss_sum, std::log(1 + std::exp(-1.0) + std::exp(-2.0)), 1e-12);
}

}  // namespace
}  // namespace heed
