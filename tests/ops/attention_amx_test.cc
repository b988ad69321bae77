#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "heed/base/parallel.h"
#include "heed/kernels/amx.h"
#include "heed/kernels/dispatch.h"
#include "tests/kernels/amx_trap.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/attention_cases.h"

// The tile kernel of bf16 attention, on a machine without AMX over the scalar twin of its
// instructions. (The other tests of attention run it too, for the cases that are its.)

namespace heed::testing {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.raw_data(), y.raw_data(),
                     static_cast<size_t>(x.numel() * size_of(x.dtype()))) == 0;
}

class AttentionAmx : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto isas = kernels::tested_isas();
    if (std::find(isas.begin(), isas.end(), kernels::Isa::amx) == isas.end()) {
      GTEST_SKIP() << "the tile kernel's vector parts need AVX-512";
    }
    kernels::pin_isa(kernels::Isa::amx);
  }
  void TearDown() override {
    kernels::internal::emulate_tiles(emulated_);
    set_num_threads(threads_);
    kernels::pin_isa(before_);
  }

 private:
  int threads_ = num_threads();
  kernels::Isa before_ = kernels::active_isa();
  bool emulated_ = !kernels::machine_has_amx();
};

constexpr AttentionCaseLimits kCases{.bf16 = true};

TEST_F(AttentionAmx, AgreesWithTheContractInDoublePrecision) {
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

TEST_F(AttentionAmx, IsWithinTwiceTheErrorOfAPlainComputationInBf16) {
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

TEST_F(AttentionAmx, SameBitsAtAnyThreadCountWhateverIsWanted) {
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

TEST_F(AttentionAmx, RowsHaveTheirBitsInAnyCompany) {
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

TEST_F(AttentionAmx, PaddingAndPagesChangeNoBit) {
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

TEST_F(AttentionAmx, NonFiniteValuesReachThoseWhoSeeThemAndNobodyElse) {
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

/// Outputs of a case with the tile instructions, carried out by the machine or in its place.
AttentionOutputs run_instructions(const AttentionCase& c) {
  const bool emulated = kernels::internal::tiles_emulated();
  kernels::internal::emulate_tiles(false);
  AttentionOutputs out = c.run({.lse = true});
  kernels::internal::emulate_tiles(emulated);
  return out;
}

TEST_F(AttentionAmx, TheInstructionsGiveTheTwinsBits) {
  std::optional<AmxTrap> trap;
  if (!kernels::machine_has_amx()) {
    trap.emplace();
    set_num_threads(1);
  }
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const AttentionCase c = random_attention_case(seed, {.work = 1 << 19, .bf16 = true});
    const AttentionOutputs found = run_instructions(c);
    kernels::internal::emulate_tiles(true);
    const AttentionOutputs twin = c.run({.lse = true});
    EXPECT_TRUE(same_bits(found.y, twin.y)) << c.text;
    EXPECT_TRUE(same_bits(found.lse, twin.lse)) << c.text;
  }
  if (!trap) return;
  EXPECT_GT(trap->count(), 10000);
  EXPECT_TRUE(trap->configured_only_while_in_use());
}

#endif

}  // namespace
}  // namespace heed::testing
