#include "heed/generate/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/expect_error.h"

namespace heed {
namespace {

// probabilities 0.1, 0.2, 0.3, 0.4 in an order of their own
const std::vector<float> kLogits = {std::log(0.3F), std::log(0.1F), std::log(0.4F), std::log(0.2F)};

/// How often each token comes among evenly spread draws.
std::vector<double> shares(const SamplingOptions& options) {
  constexpr int kDraws = 10000;
  std::vector<double> count(kLogits.size(), 0);
  for (int i = 0; i < kDraws; ++i) {
    count[static_cast<size_t>(pick_token(kLogits, options, (i + 0.5) / kDraws))] += 1.0 / kDraws;
  }
  return count;
}

void expect_shares(const SamplingOptions& options, const std::vector<double>& expected) {
  const std::vector<double> found = shares(options);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-4) << i;
}

TEST(Sampling, TemperatureZeroTakesTheLikeliest) {
  for (const double draw : {0.0, 0.5, 0.999}) EXPECT_EQ(pick_token(kLogits, {}, draw), 2);
  EXPECT_EQ(pick_token(std::vector<float>{1, 3, 3}, {}, 0.9), 1);
}

TEST(Sampling, FollowsTheSoftmaxOfLogitsOverTemperature) {
  expect_shares({.temperature = 1}, {0.3, 0.1, 0.4, 0.2});
  const double sum = 0.01 + 0.04 + 0.09 + 0.16;  // at 1/2 probabilities are squared
  expect_shares({.temperature = 0.5}, {0.09 / sum, 0.01 / sum, 0.16 / sum, 0.04 / sum});
}

TEST(Sampling, TopKAndTopPLeaveTheLikeliest) {
  expect_shares({.temperature = 1, .top_k = 2}, {3.0 / 7, 0, 4.0 / 7, 0});
  expect_shares({.temperature = 1, .top_k = 9}, {0.3, 0.1, 0.4, 0.2});
  expect_shares({.temperature = 1, .top_p = 0.69}, {3.0 / 7, 0, 4.0 / 7, 0});
  expect_shares({.temperature = 1, .top_p = 0.71}, {3.0 / 9, 0, 4.0 / 9, 2.0 / 9});
  expect_shares({.temperature = 1, .top_p = 0.01}, {0, 0, 1, 0});
  expect_shares({.temperature = 1, .top_k = 3, .top_p = 0.7}, {3.0 / 7, 0, 4.0 / 7, 0});
}

TEST(Sampling, DrawsAreAFunctionOfSeedAndStepAndUniform) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double draw = sampling_draw(7, i);
    EXPECT_GE(draw, 0);
    EXPECT_LT(draw, 1);
    sum += draw;
    squares += draw * draw;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.01);  // five standard errors
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.011);
  EXPECT_EQ(sampling_draw(7, 3), sampling_draw(7, 3));
  EXPECT_NE(sampling_draw(7, 3), sampling_draw(8, 3));
}

TEST(Sampling, ChoicesLeaveScoresOverTheTemperatureAndAsManyAsAreAskedFor) {
  const auto left = [](const SamplingOptions& options, int64_t least) {
    std::vector<float> scores = kLogits;
    apply_choices(scores, options, least);
    for (size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] == -INFINITY) continue;
      EXPECT_FLOAT_EQ(scores[i], kLogits[i] / static_cast<float>(options.temperature));
    }
    return std::ranges::count_if(scores, [](float score) { return score != -INFINITY; });
  };
  EXPECT_EQ(left({.temperature = 2}, 1), 4);
  for (const SamplingOptions& strict : {SamplingOptions{.temperature = 0.5, .top_k = 1},
                                        {.temperature = 3, .top_p = 0.01},
                                        {.temperature = 1, .min_p = 1},
                                        {.temperature = 2, .typical_p = 0.01},
                                        {.temperature = 1, .epsilon_cutoff = 0.9},
                                        {.temperature = 0.5, .eta_cutoff = 0.9}}) {
    for (const int64_t least : {1, 2, 3, 4}) EXPECT_EQ(left(strict, least), least);
    EXPECT_EQ(left(strict, 9), 4);
  }
  std::vector<float> none(3, -INFINITY);
  apply_choices(none, {.temperature = 1}, 2);
  EXPECT_EQ(none, std::vector<float>(3, -INFINITY));
}

TEST(Sampling, GumbelDrawsAreAFunctionOfTheirPlaceAndGumbels) {
  constexpr int kDraws = 20000;
  double sum = 0, below = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double draw = gumbel_draw(7, i % 10, i / 10 % 10, i / 100);
    sum += draw;
    below += draw <= 0 ? 1 : 0;
  }
  EXPECT_NEAR(sum / kDraws, 0.5772, 0.045);  // Euler's constant; five standard errors
  EXPECT_NEAR(below / kDraws, std::exp(-1), 0.018);
  const double one = gumbel_draw(7, 1, 2, 3);
  EXPECT_EQ(gumbel_draw(7, 1, 2, 3), one);
  for (const double other : {gumbel_draw(8, 1, 2, 3), gumbel_draw(7, 2, 2, 3),
                             gumbel_draw(7, 1, 3, 3), gumbel_draw(7, 1, 2, 4)}) {
    EXPECT_NE(other, one);
  }
}

TEST(Sampling, BadOptionsAndLogitsAreNamed) {
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  expect_error(kInvalid, {"temperature", "-1"}, [] { check_sampling({.temperature = -1}); });
  expect_error(kInvalid, {"temperature"}, [] { check_sampling({.temperature = INFINITY}); });
  expect_error(kInvalid, {"temperature"}, [] { check_sampling({.temperature = NAN}); });
  expect_error(kInvalid, {"top-k", "-2"}, [] { check_sampling({.top_k = -2}); });
  expect_error(kInvalid, {"top-p", "1.5"}, [] { check_sampling({.top_p = 1.5}); });
  expect_error(kInvalid, {"top-p", "0"}, [] { check_sampling({.top_p = 0}); });
  const std::vector<float> broken = {1, std::numeric_limits<float>::quiet_NaN()};
  expect_error(ErrorCode::corrupt_data, {"NaN"}, [&] { pick_token(broken, {}, 0); });
  const std::vector<float> endless = {1, std::numeric_limits<float>::infinity(), 0};
  expect_error(ErrorCode::corrupt_data, {"inf"},
               [&] { pick_token(endless, {.temperature = 1}, 0.5); });
}

TEST(Sampling, HiddenTokensNeverCome) {
  const std::vector<float> logits = {-INFINITY, 0, -INFINITY};
  for (const double draw : {0.0, 0.999999}) {
    EXPECT_EQ(pick_token(logits, {.temperature = 1}, draw), 1);
  }
  EXPECT_NEAR(log_sum_exp(Tensor::from(logits, {3})), 0, 1e-12);
}

}  // namespace
}  // namespace heed
