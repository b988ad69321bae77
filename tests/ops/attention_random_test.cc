#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "heed/base/parallel.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/attention_cases.h"
#include "tests/support.h"

// Random calls of attention against f64, and what must not change a bit of them.
// HEED_RANDOM_CASES and HEED_RANDOM_FIRST choose the cases (attention_cases.h).

namespace heed::testing {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return std::memcmp(x.raw_data(), y.raw_data(),
                     static_cast<size_t>(x.numel() * size_of(x.dtype()))) == 0;
}

bool near(float found, double expected, double tolerance) {
  return static_cast<double>(found) == expected ||
         std::abs(static_cast<double>(found) - expected) <= tolerance;
}

/// Whether a kernel that multiplies pairs serves this case: they round weights to bf16.
bool rounds_weights(const AttentionCase& c, kernels::Isa isa) {
  return kernels::multiplies_pairs(isa) && c.q.dtype() == DType::bf16 && c.k.dtype() == DType::bf16;
}

/// Row [b, h, t] of x against what it must be; tolerance(i) is that of element i.
template <class F>
void expect_values(const Tensor& x, int64_t b, int64_t h, int64_t t,
                   const std::vector<double>& expected, const F& tolerance, const char* what,
                   const std::string& where) {
  if (!x.defined()) return;
  const float* found = x.data<float>() + b * x.stride(0) + h * x.stride(1) + t * x.stride(2);
  for (size_t i = 0; i < expected.size(); ++i) {
    if (near(found[i], expected[i], tolerance(i))) continue;
    FAIL() << what << " [" << b << ", " << h << ", " << t << ", " << i << "] of " << where << ": "
           << found[i] << " for " << expected[i] << " within " << tolerance(i);
  }
}

/// out.y as f32.
void expect_row(const AttentionCase& c, const AttentionOutputs& out, int64_t b, int64_t h,
                int64_t t, const ExpectedRow& row, kernels::Isa isa, const std::string& where) {
  // The self-scaling rule: twice what a plain computation in the dtype is off by.
  double y_error = std::max(row.y_error, 2 * row.low_precision_error);
  if (rounds_weights(c, isa)) y_error += row.weights_rounding;
  const double lse_error = row.relative_error + 0x1p-24 * std::abs(row.lse);
  const Tensor lse = out.lse.defined() ? out.lse.unsqueeze(3) : Tensor();
  expect_values(
      out.y, b, h, t, row.y, [&](size_t) { return y_error; }, "y", where);
  expect_values(
      lse, b, h, t, {row.lse}, [&](size_t) { return lse_error; }, "lse", where);
  expect_values(
      out.scores, b, h, t, row.scores, [&](size_t) { return row.score_error; }, "score", where);
  expect_values(
      out.weights, b, h, t, row.weights,
      [&](size_t i) { return row.relative_error * row.weights[i] + 1e-37; }, "weight", where);
}

AttentionWant want_of(uint64_t seed) {
  return {.lse = seed % 2 == 0, .weights = seed % 3 == 0, .scores = seed % 5 == 0};
}

/// The case on every instruction set, each row against f64.
void expect_contract(const AttentionCase& c, const AttentionWant& want) {
  struct Found {
    kernels::Isa isa;
    AttentionOutputs out;
    std::string where;
  };
  std::vector<Found> found;
  kernels::on_every_isa([&](kernels::Isa isa) {
    AttentionOutputs out = c.run(want);
    EXPECT_EQ(out.y.dtype(), c.q.dtype());
    out.y = out.y.to(DType::f32);
    found.push_back({isa, std::move(out), std::string(to_string(isa)) + ", " + c.text});
  });
  for (int64_t b = 0; b < c.q.size(0); ++b) {
    for (int64_t h = 0; h < c.q.size(1); ++h) {
      for (int64_t t = 0; t < c.q.size(2); ++t) {
        const ExpectedRow row = expected_row(c, b, h, t);
        for (const auto& [isa, out, where] : found) {
          expect_row(c, out, b, h, t, row, isa, where);
        }
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(AttentionRandom, AgreesWithTheContractInDoublePrecision) {
  for_random_cases(
      300, 1, [](uint64_t seed) { expect_contract(random_attention_case(seed), want_of(seed)); });
}

// Decoding: few queries over many keys, which are split.
TEST(AttentionRandom, FewQueriesOverManyKeysAgreeWithTheContract) {
  for_random_cases(80, 4, [](uint64_t seed) {
    const AttentionCaseLimits limits{.tokens = 6000, .queries = seed % 4 == 0 ? 3 : 1};
    expect_contract(random_attention_case(seed, limits), want_of(seed));
  });
}

const int threads_before = num_threads();

/// Same bits with 1, 2, 3 and 7 threads, and with everything wanted.
void expect_same_bits_with_threads(const AttentionCase& c) {
  kernels::on_every_isa([&](kernels::Isa) {
    set_num_threads(1);
    const AttentionOutputs alone = c.run({.lse = true});
    for (const int threads : {2, 3, 7}) {
      set_num_threads(threads);
      const AttentionOutputs many = c.run({.lse = true});
      EXPECT_TRUE(same_bits(alone.y, many.y)) << threads << " threads, " << c.text;
      EXPECT_TRUE(same_bits(alone.lse, many.lse)) << threads << " threads, " << c.text;
      const AttentionOutputs all = c.run({.lse = true, .weights = true, .scores = true});
      EXPECT_TRUE(same_bits(alone.y, all.y)) << "all wanted, " << c.text;
      EXPECT_TRUE(same_bits(alone.lse, all.lse)) << "all wanted, " << c.text;
    }
    set_num_threads(threads_before);
  });
}

TEST(AttentionRandom, SameBitsAtAnyThreadCountAndWhateverIsWanted) {
  for_random_cases(60, 4, [](uint64_t seed) {
    expect_same_bits_with_threads(random_attention_case(seed));
    expect_same_bits_with_threads(random_attention_case(seed, {.tokens = 6000, .queries = 1}));
    // Enough keys for threads to share those of a block of queries.
    if (seed % 4 != 0) return;
    expect_same_bits_with_threads(random_attention_case(
        seed, {.tokens = 5000, .queries = 40, .least_keys = 4096, .work = 8 << 20}));
  });
}

TEST(AttentionRandom, RowsHaveTheirBitsInAnyCompany) {
  for_random_cases(150, 2, [](uint64_t seed) {
    const AttentionCase c = random_attention_case(seed, {.dropout = false});
    const int64_t batch = c.q.size(0), queries = c.q.size(2);
    // Segments are cut by where the others lie.
    if (!c.query_starts.empty() || queries == 0) return;
    const auto b = static_cast<int64_t>(seed) % batch;
    // A single query has a kernel of its own: two stay together.
    const auto first = queries == 1 ? 0 : static_cast<int64_t>(seed / 7) % (queries - 1);
    const AttentionCase part = c.part(b, first);
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionOutputs all = c.run({.lse = true});
      const AttentionOutputs some = part.run({.lse = true});
      EXPECT_TRUE(same_bits(all.y.slice(0, b, b + 1).slice(2, first, queries), some.y))
          << "batch row " << b << " from query " << first << ", " << c.text;
      EXPECT_TRUE(same_bits(all.lse.slice(0, b, b + 1).slice(2, first, queries), some.lse))
          << "batch row " << b << " from query " << first << ", " << c.text;
    });
  });
}

TEST(AttentionRandom, PaddingChangesNoBit) {
  for_random_cases(150, 2, [](uint64_t seed) {
    const AttentionCase c =
        random_attention_case(seed, {.pages = false, .lengths = true, .poison = false});
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionOutputs out = c.run({.lse = true});
      for (const AttentionCase& other : {c.poisoned(), c.shortened()}) {
        const AttentionOutputs same = other.run({.lse = true});
        EXPECT_TRUE(same_bits(out.y, same.y)) << c.text;
        EXPECT_TRUE(same_bits(out.lse, same.lse)) << c.text;
      }
    });
  });
}

TEST(AttentionRandom, PagesGiveTheBitsOfContiguousKeys) {
  for_random_cases(150, 2, [](uint64_t seed) {
    AttentionCase c = random_attention_case(seed);
    if (!c.pages.table.defined()) return;
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionOutputs paged = c.run({.lse = true});
      const AttentionOutputs plain = attention_outputs(c.q, c.k, c.v, c.options, {.lse = true});
      EXPECT_TRUE(same_bits(paged.y, plain.y)) << c.text;
      EXPECT_TRUE(same_bits(paged.lse, plain.lse)) << c.text;
      // rows that read the same pages go together here
      EXPECT_TRUE(same_bits(attention(c.q, c.pages, c.options), plain.y)) << c.text;
    });
  });
}

}  // namespace
}  // namespace heed::testing
