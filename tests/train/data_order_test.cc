#include "heed/train/data_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "heed/base/error.h"

namespace heed {
namespace {

std::vector<int64_t> some_lengths(int64_t count) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < count; ++i) lengths.push_back(1 + i * i % 37);
  return lengths;
}

std::vector<int64_t> flat(const std::vector<std::vector<int64_t>>& batches) {
  std::vector<int64_t> rows;
  for (const auto& batch : batches) rows.insert(rows.end(), batch.begin(), batch.end());
  return rows;
}

TEST(DataOrder, ShufflesEveryRowOnceByASeedAndAnEpoch) {
  const std::vector<int64_t> order = shuffled(100, 7, 3);
  EXPECT_EQ(order, shuffled(100, 7, 3));
  EXPECT_NE(order, shuffled(100, 7, 4));
  EXPECT_NE(order, shuffled(100, 8, 3));
  std::vector<int64_t> sorted = order;
  std::ranges::sort(sorted);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
}

TEST(DataOrder, ShufflesEvenly) {
  std::vector<int> first(4);
  for (int64_t epoch = 0; epoch < 4000; ++epoch) {
    ++first[static_cast<size_t>(shuffled(4, 1, epoch).front())];
  }
  for (const int count : first) EXPECT_NEAR(count, 1000, 110);  // four standard deviations
}

TEST(DataOrder, BatchesHoldEveryRowOnceWithinTheirLimits) {
  const std::vector<int64_t> lengths = some_lengths(1000);
  for (const bool by_length : {false, true}) {
    for (const int64_t tokens : {0, 64, 200}) {
      const BatchLimits limits{.rows = 8, .tokens = tokens, .by_length = by_length};
      const auto batches = epoch_batches(lengths, limits, 5, 2);
      std::vector<int64_t> rows = flat(batches);
      std::ranges::sort(rows);
      for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(rows[static_cast<size_t>(i)], i);
      for (const auto& batch : batches) {
        ASSERT_LE(batch.size(), 8U);
        int64_t longest = 0;
        for (const int64_t row : batch)
          longest = std::max(longest, lengths[static_cast<size_t>(row)]);
        const auto padded = static_cast<int64_t>(batch.size()) * longest;
        if (tokens > 0 && batch.size() > 1) {
          ASSERT_LE(padded, tokens);
        }
      }
    }
  }
}

TEST(DataOrder, RowsOfLikeLengthsSavePadding) {
  const std::vector<int64_t> lengths = some_lengths(1000);
  const auto padded = [&](bool by_length) {
    int64_t sum = 0;
    for (const auto& batch : epoch_batches(lengths, {.rows = 8, .by_length = by_length}, 5, 0)) {
      int64_t longest = 0;
      for (const int64_t row : batch)
        longest = std::max(longest, lengths[static_cast<size_t>(row)]);
      sum += longest * static_cast<int64_t>(batch.size());
    }
    return sum;
  };
  const int64_t needed = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  EXPECT_LT(padded(true), needed * 105 / 100);
  EXPECT_GT(padded(false), needed * 140 / 100);
}

TEST(DataOrder, GoesOnWhereAPositionSays) {
  BatchOrder order(some_lengths(50), {.rows = 8}, 3);
  DataPosition at;
  std::vector<std::vector<int64_t>> seen;
  std::vector<DataPosition> places;
  for (int i = 0; i < 20; ++i) {
    places.push_back(at);
    seen.push_back(order.next(at));
  }
  EXPECT_EQ(at, (DataPosition{2, 6}));  // 7 batches an epoch
  BatchOrder again(some_lengths(50), {.rows = 8}, 3);
  for (const size_t i : {size_t{13}, size_t{2}, size_t{19}}) {
    DataPosition place = places[i];
    EXPECT_EQ(again.next(place), seen[i]);
  }
}

TEST(DataOrder, RefusesNoRowsAndAForeignPosition) {
  EXPECT_THROW(BatchOrder({}, {}, 0), Error);
  BatchOrder order(some_lengths(50), {.rows = 8}, 3);
  DataPosition at{.epoch = 0, .batch = 99};
  EXPECT_THROW(order.next(at), Error);
}

TEST(DataOrder, EvaluationTakesLongRowsFirst) {
  const auto batches = ordered_batches({3, 9, 1, 7}, {.rows = 2});
  EXPECT_EQ(batches, (std::vector<std::vector<int64_t>>{{1, 3}, {0, 2}}));
  const auto plain = ordered_batches({3, 9, 1, 7}, {.rows = 3, .by_length = false});
  EXPECT_EQ(plain, (std::vector<std::vector<int64_t>>{{0, 1, 2}, {3}}));
}

}  // namespace
}  // namespace heed
