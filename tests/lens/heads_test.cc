#include "heed/lens/heads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/expect_error.h"

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

// What the fused pass reports where these are its weights: queries are unit vectors, keys the
// logarithms. What the mask hides is left out of them.
HeadStatistics statistics(const Tensor& weights, std::vector<int32_t> ids,
                          const std::vector<bool>& added, const Mask& mask = {}) {
  const int64_t tokens = weights.size(0);
  const Tensor q = Tensor::zeros({1, 1, tokens, tokens});
  const Tensor k = Tensor::empty({1, 1, tokens, tokens});
  for (int64_t t = 0; t < tokens; ++t) {
    q.at({0, 0, t, t}) = 1;
    for (int64_t s = 0; s < tokens; ++s) k.at({0, 0, s, t}) = std::log(weights.at({t, s}));
  }
  const HeadTokens text{ids, added};
  const AttentionReportWant want = head_want(text);
  HeadTally tally;
  tally.add(attention_report(q, k, k, {.scale = 1.0f, .mask = mask}, want), want, 0, text, mask);
  return tally.mean();
}

const std::vector<int32_t> kIds = {101, 5, 6, 7, 8, 9, 10, 102};

std::string_view role(const Tensor& weights) {
  return head_role(statistics(weights, kIds, kAdded));
}

TEST(Heads, RolesFollowTheWeight) {
  EXPECT_EQ(role(looking_at([](int64_t r) { return r - 1; }, 0.8f)), "previous");
  EXPECT_EQ(role(looking_at([](int64_t r) { return r + 1; }, 0.8f)), "next");
  EXPECT_EQ(role(looking_at([](int64_t r) { return r; }, 0.8f)), "self");
  EXPECT_EQ(role(looking_at([](int64_t) { return 0; }, 0.8f)), "first");
  EXPECT_EQ(role(looking_at([](int64_t) { return kTokens - 1; }, 0.8f)), "separator");
  EXPECT_EQ(role(Tensor::full({kTokens, kTokens}, 1.0f / kTokens)), "global");
  EXPECT_EQ(role(looking_at([](int64_t r) { return r < 4 ? 6 : 1; }, 0.8f)), "mixed");
}

TEST(Heads, StatisticsAreTheMeansOfRows) {
  const Tensor weights = looking_at([](int64_t r) { return r - 1; }, 0.65f);
  const HeadStatistics s = statistics(weights, kIds, kAdded);
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
  EXPECT_NEAR(s.sinks, s.first + s.separator, 1e-6);
  EXPECT_NEAR(s.spread, s.entropy / std::log(8.0), 1e-6);
  EXPECT_FLOAT_EQ(s.positional, 1);
  EXPECT_EQ(s.offset, -1);
  EXPECT_EQ(s.duplicate, 0);  // no token is there twice
}

// Of 100 tokens none was added, as with a causal model's tokenizer: row t sees t + 1 of them.
HeadStatistics looking_back(const std::function<float(int64_t, int64_t)>& weight,
                            const Mask& mask) {
  constexpr int64_t kMany = 100;
  const Tensor weights = Tensor::empty({kMany, kMany});
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < kMany; ++t) {
    for (int64_t s = 0; s < kMany; ++s) weights.at({t, s}) = weight(t, s);
    ids.push_back(static_cast<int32_t>(t));
  }
  return statistics(weights, ids, std::vector<bool>(ids.size(), false), mask);
}

TEST(Heads, SpreadAndReachAreOfWhatARowSees) {
  const auto even = [](int64_t, int64_t) { return 1.0f; };
  const Mask causal = Mask::causal(Align::top_left);
  for (const Mask& mask : {Mask(), causal, causal & Mask::window(15, 0), Mask::window(15, 2)}) {
    const HeadStatistics s = looking_back(even, mask);
    EXPECT_NEAR(s.spread, 1, 1e-5);
    EXPECT_NEAR(s.reach, 1, 1e-5);
    EXPECT_EQ(head_role(s), "global");
  }
  // twelve tokens of all that lie before
  const auto near = [](int64_t t, int64_t s) { return t - s < 12 ? 1.0f : 1e-12f; };
  const HeadStatistics s = looking_back(near, causal);
  EXPECT_LT(s.spread, kGlobal);
  EXPECT_LT(s.reach, kLocal);
  EXPECT_EQ(head_role(s), "local");
}

TEST(Heads, CopiesAndWhatFollowedThem) {
  // a b c a b c: three rows have an earlier copy, which is three back
  const std::vector<int32_t> ids = {101, 5, 6, 7, 5, 6, 7, 102};
  const auto after_copy = [](int64_t r) { return r < 4 ? 0 : r - 2; };
  const HeadStatistics follows = statistics(looking_at(after_copy, 0.65f), ids, kAdded);
  EXPECT_NEAR(follows.induction, 0.65, 1e-6);
  EXPECT_NEAR(follows.duplicate, 0.35 / 7, 1e-6);
  EXPECT_FLOAT_EQ(follows.repeats, 0.5f);
  EXPECT_EQ(head_role(follows), "induction");
  const auto copy = [](int64_t r) { return r < 4 ? r + 3 : r - 3; };
  const HeadStatistics same = statistics(looking_at(copy, 0.65f), ids, kAdded);
  EXPECT_NEAR(same.duplicate, 0.65, 1e-6);
  EXPECT_EQ(head_role(same), "duplicate");
}

TEST(Heads, RolesByThresholds) {
  HeadStatistics fixed{.positional = 0.95f, .offset = -3};
  fixed.reach = 0.8f;
  EXPECT_EQ(head_role(fixed), "positional");
  fixed.positional = 0.5f;
  EXPECT_EQ(head_role(fixed), "mixed");
  fixed.reach = 0.4f;
  EXPECT_EQ(head_role(fixed), "local");
}

TEST(Heads, AnUnknownStatisticIsToldItsNeighbour) {
  EXPECT_EQ(statistic_of("entropy").name, "entropy");
  expect_error(ErrorCode::invalid_argument, {"'entrpy'", "did you mean entropy"},
               [] { statistic_of("entrpy"); });
  expect_error(ErrorCode::invalid_argument, {"found 'offset'. There are entropy, "},
               [] { statistic_of("offset"); });
}

TEST(Heads, TextsOfAddedTokensAloneHaveStatisticsToo) {
  const std::vector<bool> added = {true, true};
  const HeadStatistics s = statistics(Tensor::full({2, 2}, 0.5f), {101, 102}, added);
  EXPECT_FLOAT_EQ(s.max, 0.5f);
  EXPECT_FLOAT_EQ(s.first, 0.5f);
  EXPECT_EQ(head_role(s), "first");
}

}  // namespace
}  // namespace heed
