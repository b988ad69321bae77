#include "heed/train/batch_part.h"

#include <gtest/gtest.h>

#include "heed/train/token_rows.h"

namespace heed {
namespace {

TEST(BatchPart, PartsAreTheRowsOfTheBatch) {
  const TokenRows rows{.ids = {{1, 2, 3}, {4}, {5, 6}, {7, 8, 9}, {10}},
                       .targets = {{1, -100, 3}, {4}, {5, 6}, {-100, 8, 9}, {-100}},
                       .per_token = true};
  const TrainBatch whole = gather(rows, {0, 1, 2, 3, 4});
  int64_t row = 0, count = 0, tokens = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const BatchPart part = part_of(whole, {rank, 3});
    EXPECT_EQ(part.first_row, row);
    const int64_t own = part.batch.input.ids.size(0);
    EXPECT_EQ(part.batch.input.ids.size(1), 3) << "as long as the whole";
    EXPECT_EQ(std::ssize(part.batch.input.lengths), own);
    for (int64_t i = 0; i < own; ++i, ++row) {
      const auto& ids = rows.ids[static_cast<size_t>(row)];
      EXPECT_EQ(part.batch.input.lengths[static_cast<size_t>(i)], std::ssize(ids));
      EXPECT_EQ(part.batch.input.ids.at<int32_t>({i, 0}), ids[0]);
      EXPECT_EQ(part.batch.targets.at<int32_t>({i, 0}), whole.targets.at<int32_t>({row, 0}));
    }
    count += part.batch.count;
    tokens += part.batch.tokens;
  }
  EXPECT_EQ(row, 5);
  EXPECT_EQ(count, whole.count);
  EXPECT_EQ(tokens, whole.tokens);
}

TEST(BatchPart, OneProcessHasAllAndSomeOfManyHaveNothing) {
  const TokenRows rows{.ids = {{1, 2}, {3}}, .targets = {{0}, {1}}};
  const TrainBatch whole = gather(rows, {0, 1});
  EXPECT_EQ(part_of(whole, {0, 1}).batch.count, 2);
  int64_t count = 0;
  for (int rank = 0; rank < 4; ++rank) count += part_of(whole, {rank, 4}).batch.count;
  EXPECT_EQ(count, 2);
  EXPECT_EQ(part_of(whole, {0, 4}).batch.count, 0);
}

}  // namespace
}  // namespace heed
