#include "heed/tasks/pooling.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::expect_close;

// Two rows of width 2; the second has one real token, and what follows it must not count.
const Tensor kState =
    Tensor::from({1, -2, 3, 4, 5, 0, 7, 8, 1e30f, 1e30f, 1e30f, 1e30f}, {2, 3, 2});
const std::vector<int64_t> kLengths = {3, 1};

TEST(Pooling, EveryWay) {
  const float root = std::sqrt(3.0f);
  const std::pair<Pooling, Tensor> cases[] = {
      {Pooling::cls, Tensor::from({1, -2, 7, 8}, {2, 2})},
      {Pooling::lasttoken, Tensor::from({5, 0, 7, 8}, {2, 2})},
      {Pooling::max, Tensor::from({5, 4, 7, 8}, {2, 2})},
      {Pooling::mean, Tensor::from({3, 2.0f / 3, 7, 8}, {2, 2})},
      {Pooling::mean_sqrt_len_tokens, Tensor::from({9 / root, 2 / root, 7, 8}, {2, 2})},
      {Pooling::weightedmean, Tensor::from({22.0f / 6, 1, 7, 8}, {2, 2})},
  };
  for (const auto& [way, expected] : cases) {
    expect_close(pool(kState, kLengths, {way}), expected, 1e-6, std::string(to_string(way)));
    EXPECT_EQ(pooling_from_name(to_string(way)), way);
  }
}

TEST(Pooling, WaysStandSideBySide) {
  expect_close(pool(kState, kLengths, {Pooling::lasttoken, Pooling::cls}),
               Tensor::from({5, 0, 1, -2, 7, 8, 7, 8}, {2, 4}), 0, "two ways");
}

TEST(Pooling, RowsGetLengthOne) {
  const Tensor x = Tensor::from({3, 4, 0, 0}, {2, 2});
  normalize_rows(x);
  expect_close(x, Tensor::from({0.6f, 0.8f, 0, 0}, {2, 2}), 1e-7, "a zero row stays");
}

TEST(Pooling, BadInputIsNamed) {
  expect_error(ErrorCode::unsupported, {"median", "mean"}, [] { pooling_from_name("median"); });
  expect_error(ErrorCode::invalid_argument, {"2 numbers from 1 to 3", "[3, 0]"}, [] {
    pool(kState, {3, 0}, {Pooling::mean});
  });
}

}  // namespace
}  // namespace heed
