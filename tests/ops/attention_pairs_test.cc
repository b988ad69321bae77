#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "heed/base/parallel.h"
#include "heed/kernels/amx.h"
#include "heed/kernels/bf16_dots.h"
#include "heed/kernels/dispatch.h"
#include "tests/kernels/amx_trap.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/attention_cases.h"

// The kernels of bf16 attention that multiply pairs, with AMX's tiles and AVX512-BF16's dot
// product, where the machine lacks those over the scalar twins of the instructions. (The other
// tests of attention run them too, for the cases that are theirs.)

namespace heed::testing {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.raw_data(), y.raw_data(),
                     static_cast<size_t>(x.numel() * size_of(x.dtype()))) == 0;
}

bool machine_has(kernels::Isa isa) {
  return isa == kernels::Isa::amx ? kernels::machine_has_amx() : kernels::machine_has_bf16_dots();
}

class AttentionPairs : public ::testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override {
    const auto isas = kernels::tested_isas();
    if (std::find(isas.begin(), isas.end(), GetParam()) == isas.end()) {
      GTEST_SKIP() << "the kernels' vector parts need AVX-512";
    }
    kernels::pin_isa(GetParam());
  }
  void TearDown() override {
    kernels::emulate_pairs(GetParam(), !machine_has(GetParam()));
    set_num_threads(threads_);
    kernels::pin_isa(before_);
  }

 private:
  int threads_ = num_threads();
  kernels::Isa before_ = kernels::active_isa();
};

constexpr AttentionCaseLimits kCases{.bf16 = true};

TEST_P(AttentionPairs, AgreesWithTheContractInDoublePrecision) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    const AttentionCase c = random_attention_case(seed, kCases);
    const AttentionOutputs out = c.run({.lse = true});
    const Tensor y = out.y.to(DType::f32);
    for (int64_t b = 0; b < c.q.size(0); ++b) {
      for (int64_t h = 0; h < c.q.size(1); ++h) {
        for (int64_t t = 0; t < c.q.size(2); ++t) {
          const ExpectedRow row = expected_row(c, b, h, t);
          const float lse = out.lse.at({b, h, t});
          ASSERT_TRUE(static_cast<double>(lse) == row.lse ||
                      std::abs(static_cast<double>(lse) - row.lse) <=
                          row.relative_error + 0x1p-24 * std::abs(row.lse))
              << c.text << " row " << b << " " << h << " " << t;
          for (int64_t e = 0; e < y.size(3); ++e) {
            ASSERT_NEAR(static_cast<double>(y.at({b, h, t, e})), row.y[static_cast<size_t>(e)],
                        row.y_error + row.weights_rounding)
                << c.text << " row " << b << " " << h << " " << t << " element " << e;
          }
        }
      }
    }
  }
}

TEST_P(AttentionPairs, IsWithinTwiceTheErrorOfAPlainComputationInBf16) {
  for (const int64_t d : {16, 64, 80, 128}) {
    AttentionCase c;
    const auto values = [&](int64_t heads, int64_t tokens, unsigned seed) {
      const Tensor wide = Tensor::empty({1, heads, tokens, d});
      std::mt19937 random(seed);
      std::normal_distribution<float> normal;
      for (float& x : wide.span<float>()) x = normal(random);
      return wide.to(DType::bf16);
    };
    c.q = values(2, 100, 1);
    c.k = values(1, 300, 2);
    c.v = values(1, 300, 3);
    c.corner = Corner::bottom_right;
    c.set_mask();
    const Tensor y = c.run({}).y.to(DType::f32);
    double error = 0, plain = 0;
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t t = 0; t < 100; ++t) {
        const ExpectedRow row = expected_row(c, 0, h, t);
        plain = std::max(plain, row.low_precision_error);
        for (int64_t e = 0; e < d; ++e) {
          error = std::max(error, std::abs(static_cast<double>(y.at({0, h, t, e})) -
                                           row.y[static_cast<size_t>(e)]));
        }
      }
    }
    EXPECT_LE(error, 2 * plain) << "D " << d;
    EXPECT_GT(plain, 0) << "D " << d;
  }
}

TEST_P(AttentionPairs, SameBitsAtAnyThreadCountWhateverIsWanted) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const AttentionCase c = random_attention_case(seed, kCases);
    set_num_threads(1);
    const AttentionOutputs alone = c.run({.lse = true});
    for (const int threads : {2, 7}) {
      set_num_threads(threads);
      const AttentionOutputs many = c.run({.lse = true, .weights = true, .scores = true});
      EXPECT_TRUE(same_bits(alone.y, many.y)) << threads << " threads, " << c.text;
      EXPECT_TRUE(same_bits(alone.lse, many.lse)) << threads << " threads, " << c.text;
    }
  }
}

TEST_P(AttentionPairs, RowsHaveTheirBitsInAnyCompany) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    const AttentionCase c =
        random_attention_case(seed, {.tokens = 700, .bf16 = true, .dropout = false});
    const int64_t batch = c.q.size(0), queries = c.q.size(2);
    if (!c.query_starts.empty() || queries < 2 || batch == 0) continue;
    const auto b = static_cast<int64_t>(seed) % batch;
    const auto first = static_cast<int64_t>(seed / 7) % (queries - 1);
    const AttentionOutputs all = c.run({.lse = true});
    const AttentionOutputs some = c.part(b, first).run({.lse = true});
    const auto part = [&](const Tensor& x) {
      return x.slice(0, b, b + 1).slice(2, first, queries);
    };
    EXPECT_TRUE(same_bits(part(all.y), some.y)) << c.text;
    EXPECT_TRUE(same_bits(part(all.lse), some.lse)) << c.text;
  }
}

TEST_P(AttentionPairs, PaddingAndPagesChangeNoBit) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    const AttentionCase c = random_attention_case(
        seed, {.pages = false, .bf16 = true, .lengths = true, .poison = false});
    const AttentionOutputs out = c.run({.lse = true});
    for (const AttentionCase& other : {c.poisoned(), c.shortened()}) {
      const AttentionOutputs same = other.run({.lse = true});
      EXPECT_TRUE(same_bits(out.y, same.y)) << c.text;
      EXPECT_TRUE(same_bits(out.lse, same.lse)) << c.text;
    }
    const AttentionCase paged = random_attention_case(seed, kCases);
    if (!paged.pages.table.defined()) continue;
    EXPECT_TRUE(same_bits(paged.run({}).y, attention(paged.q, paged.k, paged.v, paged.options)))
        << paged.text;
  }
}

TEST_P(AttentionPairs, NonFiniteValuesReachThoseWhoSeeThemAndNobodyElse) {
  const int64_t n = 100;
  const auto values = [&](unsigned seed) {
    const Tensor wide = Tensor::empty({1, 2, n, 40});
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& x : wide.span<float>()) x = normal(random);
    return wide;
  };
  const Tensor q = values(1).to(DType::bf16), k = values(2), v = values(3);
  const AttentionOptions causal{.mask = Mask::causal(Align::top_left)};
  const Tensor clean = attention(q, k.to(DType::bf16), v.to(DType::bf16), causal);
  for (const float poison :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Tensor dirty_k = k.clone(), dirty_v = v.clone();
    for (int64_t d = 0; d < 40; d += 3) {
      dirty_k.at({0, 0, 77, d}) = poison;
      dirty_v.at({0, 1, 77, d}) = poison;
    }
    const Tensor dirty = attention(q, dirty_k.to(DType::bf16), dirty_v.to(DType::bf16), causal);
    EXPECT_TRUE(same_bits(clean.slice(2, 0, 77), dirty.slice(2, 0, 77)));
    const Tensor wide = dirty.to(DType::f32);
    for (int64_t t = 77; t < n; ++t) {
      for (int64_t e = 0; e < 40; ++e) {
        if (e % 3 == 0) {
          EXPECT_FALSE(std::isfinite(wide.at({0, 1, t, e})));
        } else {
          EXPECT_EQ(wide.at({0, 1, t, e}), clean.to(DType::f32).at({0, 1, t, e}));
        }
      }
    }
  }
}

#if defined(__x86_64__) && defined(__linux__)

TEST_P(AttentionPairs, TheInstructionsGiveTheTwinsBits) {
  std::optional<AmxTrap> trap;
  if (!machine_has(GetParam())) {
    if (GetParam() != kernels::Isa::amx) GTEST_SKIP() << "the processor has no dot product of bf16";
    trap.emplace();
    set_num_threads(1);
  }
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const AttentionCase c = random_attention_case(seed, {.work = 1 << 19, .bf16 = true});
    kernels::emulate_pairs(GetParam(), false);
    const AttentionOutputs found = c.run({.lse = true});
    kernels::emulate_pairs(GetParam(), true);
    const AttentionOutputs twin = c.run({.lse = true});
    EXPECT_TRUE(same_bits(found.y, twin.y)) << c.text;
    EXPECT_TRUE(same_bits(found.lse, twin.lse)) << c.text;
  }
  if (!trap) return;
  EXPECT_GT(trap->count(), 10000);
  EXPECT_TRUE(trap->configured_only_while_in_use());
}

#endif

INSTANTIATE_TEST_SUITE_P(, AttentionPairs,
                         ::testing::Values(kernels::Isa::avx512_bf16, kernels::Isa::amx),
                         [](const auto& isa) { return std::string(to_string(isa.param)); });

}  // namespace
}  // namespace heed::testing
