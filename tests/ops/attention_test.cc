#include "heed/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/kernels/dispatch.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::random_tensor;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape())) return false;
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return std::memcmp(x.raw_data(), y.raw_data(), static_cast<size_t>(x.numel()) * sizeof(float)) ==
         0;
}

struct Inputs {
  Tensor q, k, v;
};

Inputs random_inputs(int64_t b, int64_t h, int64_t g, int64_t t, int64_t s, int64_t d, int64_t e) {
  return {random_tensor({b, h, t, d}, 1), random_tensor({b, g, s, d}, 2),
          random_tensor({b, g, s, e}, 3)};
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "no error";
}

/// Each property holds on each instruction set.
class Attention : public ::testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override { kernels::pin_isa(GetParam()); }
  void TearDown() override { kernels::pin_isa(before_); }

 private:
  kernels::Isa before_ = kernels::active_isa();
};
INSTANTIATE_TEST_SUITE_P(, Attention, ::testing::ValuesIn(kernels::available_isas()),
                         [](const auto& isa) { return std::string(to_string(isa.param)); });

TEST_P(Attention, ThreeTokensByHand) {
  // Two keys with scores 0 and log 3: weights 1/4 and 3/4.
  const Tensor q = Tensor::from({1}, {1, 1, 1, 1});
  const Tensor k = Tensor::from({0, std::log(3.0F)}, {1, 1, 2, 1});
  const Tensor v = Tensor::from({4, 0, 0, 8}, {1, 1, 2, 2});
  const AttentionOutputs out =
      attention_outputs(q, k, v, {}, {.lse = true, .weights = true, .scores = true});
  EXPECT_NEAR(out.y.at({0, 0, 0, 0}), 1.0F, 1e-6F);
  EXPECT_NEAR(out.y.at({0, 0, 0, 1}), 6.0F, 1e-6F);
  EXPECT_NEAR(out.weights.at({0, 0, 0, 0}), 0.25F, 1e-6F);
  EXPECT_NEAR(out.weights.at({0, 0, 0, 1}), 0.75F, 1e-6F);
  EXPECT_NEAR(out.scores.at({0, 0, 0, 1}), std::log(3.0F), 1e-6F);
  EXPECT_NEAR(out.lse.at({0, 0, 0}), std::log(4.0F), 1e-6F);
}

TEST_P(Attention, OutputIsLaidOutByToken) {
  const auto [q, k, v] = random_inputs(2, 3, 3, 5, 7, 8, 4);
  const Tensor y = attention(q, k, v);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 5, 4}));
  EXPECT_TRUE(y.transpose(1, 2).is_contiguous());
}

TEST_P(Attention, RowsSumToOneAndAskingChangesNoBit) {
  const auto [q, k, v] = random_inputs(2, 4, 2, 70, 150, 24, 40);
  for (const Mask& mask : {Mask(), Mask::causal(Align::bottom_right), Mask::padding({150, 99}),
                           Mask::additive(random_tensor({1, 4, 70, 150}, 5))}) {
    const Tensor plain = attention(q, k, v, {.mask = mask});
    const AttentionOutputs out =
        attention_outputs(q, k, v, {.mask = mask}, {.lse = true, .weights = true, .scores = true});
    EXPECT_TRUE(same_bits(plain, out.y));
    for (int64_t row = 0; row < 2 * 4 * 70; ++row) {
      const Tensor weights = out.weights.reshape({-1, 150}).select(0, row);
      const Tensor scores = out.scores.reshape({-1, 150}).select(0, row);
      double sum = 0;
      for (int64_t s = 0; s < 150; ++s) {
        sum += static_cast<double>(weights.at({s}));
        const float lse = out.lse.reshape({-1}).at({row});
        EXPECT_NEAR(weights.at({s}), std::exp(scores.at({s}) - lse), 2e-6F);
      }
      EXPECT_NEAR(sum, 1.0, 2e-6);
    }
  }
}

TEST_P(Attention, FullyMaskedRowsAreZeros) {
  const auto [q, k, v] = random_inputs(2, 2, 2, 37, 50, 16, 16);
  Tensor hidden = Tensor::full({37, 50}, 0.0F);
  for (int64_t s = 0; s < 50; ++s) hidden.at({5, s}) = -kInfinity;
  Tensor visible = Tensor::empty({37, 1}, DType::boolean);
  for (int64_t t = 0; t < 37; ++t) visible.at<bool>({t, 0}) = t != 5;
  const AttentionWant all{.lse = true, .weights = true, .scores = true};

  for (const Mask& mask : {Mask::additive(hidden), Mask::boolean(visible)}) {
    const AttentionOutputs out = attention_outputs(q, k, v, {.mask = mask}, all);
    for (int64_t t = 0; t < 37; ++t) {
      const bool blind = t == 5;
      EXPECT_EQ(out.lse.at({1, 1, t}) == -kInfinity, blind);
      EXPECT_EQ(out.y.at({1, 1, t, 3}) == 0.0F, blind);
      EXPECT_EQ(out.weights.at({1, 1, t, 49}) == 0.0F, blind);
      EXPECT_EQ(out.scores.at({1, 1, t, 49}) == -kInfinity, blind);
    }
  }
  // Bottom-right with more queries than keys: the first T - S rows see nothing. And length 0.
  const AttentionOutputs causal = attention_outputs(
      k, q, q, {.mask = Mask::causal(Align::bottom_right) & Mask::padding({37, 0})}, all);
  EXPECT_EQ(causal.lse.at({0, 0, 12}), -kInfinity);
  EXPECT_NE(causal.lse.at({0, 0, 13}), -kInfinity);
  EXPECT_EQ(causal.y.at({0, 0, 12, 0}), 0.0F);
  EXPECT_EQ(causal.lse.at({1, 0, 49}), -kInfinity);
  EXPECT_EQ(causal.y.at({1, 0, 49, 15}), 0.0F);
}

TEST_P(Attention, SameBitsAtAnyThreadCount) {
  const auto [q, k, v] = random_inputs(1, 3, 1, 200, 333, 32, 48);
  const int before = num_threads();
  const AttentionOptions options{.mask = Mask::causal(Align::bottom_right)};
  set_num_threads(1);
  const Tensor alone = attention(q, k, v, options);
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    EXPECT_TRUE(same_bits(alone, attention(q, k, v, options))) << threads;
  }
  set_num_threads(before);
}

TEST_P(Attention, BatchMatesPaddingAndNeighboursDoNotMatter) {
  const auto [q, k, v] = random_inputs(3, 2, 2, 150, 200, 32, 32);
  const std::vector<int64_t> lengths{200, 131, 7};
  const Tensor y = attention(q, k, v, {.mask = Mask::padding(lengths)});
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = lengths[static_cast<size_t>(b)];
    const Tensor kb = k.slice(0, b, b + 1).slice(2, 0, n);
    const Tensor vb = v.slice(0, b, b + 1).slice(2, 0, n);
    const Tensor row = attention(q.slice(0, b, b + 1), kb, vb);
    EXPECT_TRUE(same_bits(y.slice(0, b, b + 1), row)) << b;
    // Two queries alone, wherever they sat in a tile (a single one has a kernel of its own).
    for (const int64_t t : {0, 31, 63, 148}) {
      const Tensor two = attention(q.slice(0, b, b + 1).slice(2, t, t + 2), kb, vb);
      EXPECT_TRUE(same_bits(y.slice(0, b, b + 1).slice(2, t, t + 2), two)) << b << " " << t;
    }
  }
}

TEST_P(Attention, CausalRowsEqualShorterRunsAndIgnoreTheFuture) {
  const auto [q, k, v] = random_inputs(1, 2, 2, 140, 140, 16, 16);
  const AttentionOptions options{.mask = Mask::causal(Align::top_left)};
  const Tensor y = attention(q, k, v, options);
  for (const int64_t n : {1, 2, 33, 128, 129}) {
    const Tensor prefix = attention(q.slice(2, 0, n), k.slice(2, 0, n), v.slice(2, 0, n), options);
    EXPECT_TRUE(same_bits(y.slice(2, 0, n), prefix)) << n;
  }
}

TEST_P(Attention, HugeScoresDoNotOverflow) {
  Tensor q = random_tensor({1, 1, 40, 8}, 1, 100.0F);
  const Tensor v = random_tensor({1, 1, 40, 8}, 3);
  const AttentionOutputs out =
      attention_outputs(q, q, v, {.scale = 1.0F}, {.lse = true, .weights = true});
  for (int64_t t = 0; t < 40; ++t) {
    EXPECT_GT(out.lse.at({0, 0, t}), 1e4F);
    EXPECT_TRUE(std::isfinite(out.lse.at({0, 0, t})));
    double sum = 0;
    for (int64_t s = 0; s < 40; ++s) sum += static_cast<double>(out.weights.at({0, 0, t, s}));
    EXPECT_NEAR(sum, 1.0, 1e-6);
    for (int64_t e = 0; e < 8; ++e) EXPECT_TRUE(std::isfinite(out.y.at({0, 0, t, e})));
  }
}

TEST_P(Attention, NonFiniteValuesBehindAMaskHaveNoEffect) {
  const int64_t n = 100;
  const Inputs in = random_inputs(1, 2, 2, n, n, 32, 32);
  const Tensor &q = in.q, &k = in.k, &v = in.v;
  Tensor visible = Tensor::empty({1, n}, DType::boolean);
  for (int64_t s = 0; s < n; ++s) visible.at<bool>({0, s}) = s % 7 != 3;
  Tensor bias = Tensor::full({1, n}, 0.0F);
  for (int64_t s = 3; s < n; s += 7) bias.at({0, s}) = -kInfinity;

  for (const float poison : {kNan, kInfinity, -kInfinity}) {
    const auto poisoned = [&](const Tensor& clean, const std::function<bool(int64_t)>& hidden) {
      const Tensor copy = clean.clone();
      for (int64_t h = 0; h < 2; ++h) {
        for (int64_t s = 0; s < n; ++s) {
          for (int64_t d = 0; d < 32 && hidden(s); ++d) copy.at({0, h, s, d}) = poison;
        }
      }
      return copy;
    };
    const auto expect_same = [&](const Mask& mask, const std::function<bool(int64_t)>& hidden) {
      EXPECT_TRUE(
          same_bits(attention(q, k, v, {.mask = mask}),
                    attention(q, poisoned(k, hidden), poisoned(v, hidden), {.mask = mask})));
    };
    const auto striped = [](int64_t s) { return s % 7 == 3; };
    expect_same(Mask::boolean(visible), striped);
    expect_same(Mask::additive(bias), striped);
    expect_same(Mask::padding({61}), [](int64_t s) { return s >= 61; });

    // Causal: a poisoned last key reaches the last query and nobody else.
    const auto last = [](int64_t s) { return s == n - 1; };
    const AttentionOptions causal{.mask = Mask::causal(Align::top_left)};
    const Tensor clean = attention(q, k, v, causal);
    const Tensor dirty = attention(q, poisoned(k, last), poisoned(v, last), causal);
    EXPECT_TRUE(same_bits(clean.slice(2, 0, n - 1), dirty.slice(2, 0, n - 1)));
    EXPECT_FALSE(std::isfinite(dirty.at({0, 0, n - 1, 0})));
  }
}

TEST_P(Attention, MasksAgreeWithEachOther) {
  const int64_t t = 50;
  const int64_t s = 70;
  const auto [q, k, v] = random_inputs(2, 2, 2, t, s, 16, 16);
  Tensor visible = Tensor::empty({2, 1, t, s}, DType::boolean);
  const std::vector<int64_t> offsets{20, 3};
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t i = 0; i < t; ++i) {
      for (int64_t j = 0; j < s; ++j) {
        visible.at<bool>({b, 0, i, j}) = j <= i + offsets[static_cast<size_t>(b)] && j < 66 - b;
      }
    }
  }
  const Tensor by_ranges =
      attention(q, k, v, {.mask = Mask::causal(offsets) & Mask::padding({66, 65})});
  const Tensor by_boolean = attention(q, k, v, {.mask = Mask::boolean(visible)});
  EXPECT_TRUE(same_bits(by_ranges, by_boolean));
  const Tensor by_align = attention(q, k, v, {.mask = Mask::causal(Align::bottom_right)});
  EXPECT_TRUE(same_bits(by_align, attention(q, k, v, {.mask = Mask::causal({s - t})})));
  const Tensor both = attention(
      q, k, v, {.mask = Mask::causal(Align::bottom_right) & Mask::causal(Align::top_left)});
  EXPECT_TRUE(same_bits(both, attention(q, k, v, {.mask = Mask::causal(Align::top_left)})));
}

TEST_P(Attention, EmptyInputs) {
  EXPECT_EQ(attention(Tensor::empty({0, 2, 3, 4}), Tensor::empty({0, 2, 5, 4}),
                      Tensor::empty({0, 2, 5, 6}))
                .shape(),
            (Shape{0, 2, 3, 6}));
  EXPECT_EQ(attention(Tensor::empty({1, 2, 0, 4}), Tensor::empty({1, 2, 5, 4}),
                      Tensor::empty({1, 2, 5, 6}))
                .shape(),
            (Shape{1, 2, 0, 6}));
  const Tensor none = Tensor::empty({0, 5, 2, 4}).transpose(1, 2);  // heads side by side
  EXPECT_EQ(attention(Tensor::empty({0, 4, 1, 4}), none, none).shape(), (Shape{0, 4, 1, 4}));
  const AttentionOutputs out =
      attention_outputs(random_tensor({1, 2, 3, 4}, 1), Tensor::empty({1, 2, 0, 4}),
                        Tensor::empty({1, 2, 0, 6}), {}, {.lse = true, .weights = true});
  for (const float y : out.y.contiguous().span<float>()) EXPECT_EQ(y, 0.0F);
  for (const float lse : out.lse.span<float>()) EXPECT_EQ(lse, -kInfinity);
  // D = 0: every score is 0, so y is the mean.
  const Tensor mean = attention(Tensor::empty({1, 1, 1, 0}), Tensor::empty({1, 1, 2, 0}),
                                Tensor::from({1, 3}, {1, 1, 2, 1}));
  EXPECT_FLOAT_EQ(mean.at({0, 0, 0, 0}), 2.0F);
}

TEST_P(Attention, DistancesFarFromZeroNeedNoMoreMemory) {
  const auto [q, k, v] = random_inputs(2, 2, 2, 3, 5, 8, 8);
  const RelativeBuckets far{Tensor::full({4, 2}, 0.5F), false, 10};
  const int64_t most = int64_t{1} << 40;
  const Tensor y = attention(q, k, v, {.mask = Mask::causal({most, most}), .relative = far});
  const Tensor same = attention(q, k, v, {.mask = Mask::causal({9, 9}), .relative = far});
  EXPECT_TRUE(same_bits(y, same));
  EXPECT_EQ(message_of([&, q = q, k = k, v = v] {
              attention(q, k, v, {.mask = Mask::causal({0, most}), .relative = far});
            }),
            "attention: a bias by distance needs positions at most 16777216 apart but the mask's "
            "offsets put them 1099511627782 apart");
}

TEST_P(Attention, ErrorsSayWhatWasNeededAndFound) {
  const Inputs in = random_inputs(2, 4, 2, 5, 6, 8, 8);
  const Tensor &q = in.q, &k = in.k, &v = in.v;
  EXPECT_EQ(message_of([&] {
              attention(q, random_tensor({2, 2, 6, 7}, 1), v);
            }),
            "attention: k must be [B=2, G, S, D=8] but is [2, 2, 6, 7]; D is 8 in q");
  EXPECT_EQ(message_of([&] {
              attention(q, k, random_tensor({2, 2, 5, 8}, 1));
            }),
            "attention: v must be [B=2, G=2, S=6, E] but is [2, 2, 5, 8]; S is 6 in k");
  EXPECT_EQ(message_of([&] {
              attention(q, random_tensor({2, 3, 6, 8}, 1), random_tensor({2, 3, 6, 8}, 1));
            }),
            "attention: H must be a multiple of G but q has H=4 heads and k has G=3");
  EXPECT_EQ(message_of([&] { attention(q.transpose(2, 3), k, v); }),
            "attention: k must be [B=2, G, S, D=5] but is [2, 2, 6, 8]; D is 5 in q");
  EXPECT_EQ(message_of([&] {
              attention(random_tensor({2, 4, 8, 5}, 1).transpose(2, 3), k, v);
            }),
            "attention: the last dimension of q must be contiguous but has stride 5; call "
            "contiguous()");
  EXPECT_EQ(message_of([&] {
              attention(q, k, v, {.mask = Mask::padding({6, 7})});
            }),
            "attention: needed lengths of at most S=6 keys, found 7");
  EXPECT_EQ(message_of([&] {
              attention(q, k, v, {.mask = Mask::causal({1, 2, 3})});
            }),
            "attention: needed causal offsets for B=2 batch rows (or one for all), found 3");
  EXPECT_EQ(message_of([&] {
              attention(q, k, v, {.mask = Mask::additive(random_tensor({5, 5}, 1))});
            }),
            "attention: a mask must broadcast to [B, H, T, S] = [2, 4, 5, 6] but is [5, 5]");
  EXPECT_EQ(message_of([&] { attention(q, k, v, {.scale = kNan}); }),
            "attention: scale must be finite but is nan");
  EXPECT_EQ(message_of([&] {
              Mask::boolean(random_tensor({5, 6}, 1));
            }),
            "mask: a boolean mask must be bool but is f32");
  EXPECT_EQ(message_of([&] {
              Mask::padding({3, -1});
            }),
            "mask: needed lengths of at least 0, found -1 for batch row 1");
}

}  // namespace
}  // namespace heed
