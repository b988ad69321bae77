#include "heed/lens/heads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace heed {
namespace {

constexpr int64_t kTokens = 8;
const std::vector<bool> kAdded = {true, false, false, false, false, false, false, true};

// Weights that put `share` on one key of each row and the rest evenly on the others.
Tensor looking_at(const std::function<int64_t(int64_t)>& key, float share) {
  const Tensor weights = Tensor::full({kTokens, kTokens}, (1 - share) / (kTokens - 1));
  for (int64_t row = 0; row < kTokens; ++row) {
    weights.at({row, std::clamp<int64_t>(key(row), 0, kTokens - 1)}) = share;
  }
  return weights;
}

std::string_view role(const Tensor& weights) {
  return head_role(head_statistics(weights, kAdded), kAdded);
}

TEST(Heads, RolesFollowTheWeight) {
  EXPECT_EQ(role(looking_at([](int64_t r) { return r - 1; }, 0.8f)), "previous");
  EXPECT_EQ(role(looking_at([](int64_t r) { return r + 1; }, 0.8f)), "next");
  EXPECT_EQ(role(looking_at([](int64_t r) { return r; }, 0.8f)), "self");
  EXPECT_EQ(role(looking_at([](int64_t) { return 0; }, 0.8f)), "first");
  EXPECT_EQ(role(looking_at([](int64_t) { return kTokens - 1; }, 0.8f)), "separator");
  EXPECT_EQ(role(Tensor::full({kTokens, kTokens}, 1.0f / kTokens)), "broad");
  EXPECT_EQ(role(looking_at([](int64_t r) { return r < 4 ? 6 : 1; }, 0.8f)), "mixed");
}

TEST(Heads, StatisticsAreTheMeansOfRows) {
  const Tensor weights = looking_at([](int64_t r) { return r - 1; }, 0.65f);
  const HeadStatistics s = head_statistics(weights, kAdded);
  const double rest = 0.35 / 7;
  EXPECT_NEAR(s.max, 0.65, 1e-6);
  EXPECT_NEAR(s.previous, 0.65, 1e-6);
  EXPECT_NEAR(s.self, rest, 1e-6);
  EXPECT_NEAR(s.next, rest, 1e-6);
  EXPECT_NEAR(s.first, (0.65 + 5 * rest) / 6, 1e-6);  // row 1's previous token is the first
  EXPECT_NEAR(s.separator, rest, 1e-6);
  EXPECT_NEAR(s.entropy, -0.65 * std::log(0.65) - 7 * rest * std::log(rest), 1e-5);
  double distance = 0;
  for (int64_t row = 1; row < kTokens - 1; ++row) {
    for (int64_t key = 0; key < kTokens; ++key) {
      distance +=
          static_cast<double>(weights.at({row, key})) * std::abs(static_cast<double>(row - key));
    }
  }
  EXPECT_NEAR(s.distance, distance / 6, 1e-5);
}

TEST(Heads, TextsOfAddedTokensAloneHaveStatisticsToo) {
  const std::vector<bool> added = {true, true};
  const HeadStatistics s = head_statistics(Tensor::full({2, 2}, 0.5f), added);
  EXPECT_FLOAT_EQ(s.max, 0.5f);
  EXPECT_FLOAT_EQ(s.first, 0.5f);
  EXPECT_EQ(head_role(s, added), "first");
}

}  // namespace
}  // namespace heed
