#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "heed/base/cancel.h"
#include "heed/base/parallel.h"
#include "heed/ops/attention_report.h"
#include "tests/expect_error.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/attention_cases.h"

// Exact tiles and distances between runs, both recomputed from q, k and lse.

namespace heed::testing {
namespace {

Tensor random_tensor(const Shape& shape, uint32_t seed) {
  const auto values = kernels::random_floats(static_cast<size_t>(shape.numel()), seed);
  return Tensor::from(values, shape);
}

Tensor tile_of(const AttentionCase& c, const Tensor& lse, AttentionRange rows,
               AttentionRange keys) {
  return c.pages.table.defined() ? attention_tile(c.q, c.pages, lse, c.options, rows, keys)
                                 : attention_tile(c.q, c.k, lse, c.options, rows, keys);
}

/// Weights from exp(score - lse) carry the rounding of a large lse once more.
double tolerance_of(const Tensor& lse) {
  double most = 1;
  for (const float x : lse.span<float>()) {
    if (std::isfinite(x)) most = std::max(most, std::abs(static_cast<double>(x)));
  }
  return std::max(1e-5, 0x1p-22 * most);
}

TEST(AttentionTile, HoldsTheWeightsOfItsRectangle) {
  std::mt19937_64 random(3);
  for (uint64_t seed = 1; seed <= 80 && !HasFailure(); ++seed) {
    const AttentionCase c = random_attention_case(seed, {.work = 1 << 19});
    const auto range = [&](int64_t size) {
      const auto a = static_cast<int64_t>(random() % static_cast<uint64_t>(size + 1));
      const auto b = static_cast<int64_t>(random() % static_cast<uint64_t>(size + 1));
      return AttentionRange{std::min(a, b), std::max(a, b)};
    };
    const AttentionRange rows = range(c.q.size(2)), keys = range(c.k.size(2));
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionOutputs out = c.run({.lse = true, .weights = true});
      const Tensor tile = tile_of(c, out.lse, rows, keys);
      const Tensor expected =
          out.weights.slice(2, rows.begin, rows.end).slice(3, keys.begin, keys.end).contiguous();
      ASSERT_EQ(tile.shape(), expected.shape()) << c.text;
      for (int64_t i = 0; i < tile.numel(); ++i) {
        const auto at = static_cast<size_t>(i);
        ASSERT_NEAR(tile.span<float>()[at], expected.span<float>()[at], tolerance_of(out.lse))
            << i << " of " << rows.begin << ":" << rows.end << "," << keys.begin << ":" << keys.end
            << ", " << c.text;
      }
    });
  }
}

TEST(AttentionTile, RefusesWhatLiesOutside) {
  const Tensor q = random_tensor({1, 2, 5, 4}, 1), k = random_tensor({1, 2, 7, 4}, 2);
  const Tensor lse = attention_outputs(q, k, k, {}, {.lse = true}).lse;
  expect_error(ErrorCode::invalid_argument, {"rows must lie in [0, T=5]", "2:6"}, [&] {
    attention_tile(q, k, lse, {}, {2, 6}, {0, 7});
  });
  expect_error(ErrorCode::invalid_argument,
               {"keys must begin before they end, in [0, S=7] but are 4:3"}, [&] {
                 attention_tile(q, k, lse, {}, {0, 5}, {4, 3});
               });
  expect_error(ErrorCode::invalid_argument, {"lse must be [B=1, H=2, T=5]"}, [&] {
    attention_tile(q, k, lse.slice(1, 0, 1), {}, {0, 5}, {0, 7});
  });
}

/// -sum p ln p + the like: of a row of two weight matrices, in f64.
double jensen_shannon_of(const float* a, const float* b, int64_t keys) {
  const auto share = [](double x, double middle) { return x > 0 ? x * std::log(x / middle) : 0; };
  double sum = 0;
  for (int64_t s = 0; s < keys; ++s) {
    const auto x = static_cast<double>(a[s]), y = static_cast<double>(b[s]);
    sum += (share(x, (x + y) / 2) + share(y, (x + y) / 2)) / 2;
  }
  return sum;
}

void expect_difference(const AttentionMap& map, const Tensor& a, const Tensor& b, int64_t most,
                       double tolerance) {
  const int64_t rows = std::min(most, a.size(2)), columns = std::min(most, a.size(3));
  ASSERT_EQ(map.sum.shape(), (Shape{a.size(0), a.size(1), rows, columns}));
  for (int64_t i = 0; i < map.sum.numel(); ++i) {
    const int64_t c = i % columns, r = i / columns % rows, h = i / columns / rows % a.size(1);
    const int64_t row = i / columns / rows / a.size(1);
    double sum = 0, high = 0, pairs = 0, rows_of_cell = 0;
    for (int64_t t = r * a.size(2) / rows; t < (r + 1) * a.size(2) / rows; ++t) {
      ++rows_of_cell;  // each row's weights, at most 1 together, share the error of its lse
      for (int64_t s = c * a.size(3) / columns; s < (c + 1) * a.size(3) / columns; ++s) {
        const double difference =
            static_cast<double>(b.at({row, h, t, s})) - static_cast<double>(a.at({row, h, t, s}));
        sum += difference;
        high = std::max(high, std::abs(difference));
        ++pairs;
      }
    }
    const auto at = static_cast<size_t>(i);
    ASSERT_NEAR(map.sum.span<float>()[at], sum, 2 * tolerance * rows_of_cell);
    ASSERT_NEAR(map.mean.span<float>()[at], sum / pairs, tolerance);
    ASSERT_NEAR(map.max.span<float>()[at], high, tolerance);
  }
}

TEST(AttentionDivergence, AgreesWithTheWeightsOfBothRuns) {
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    const AttentionCase a = random_attention_case(seed, {.work = 1 << 19});
    if (a.k.size(3) == 0 || a.q.size(2) == 0) continue;
    AttentionCase b = a;  // another checkpoint: the same options, other numbers
    b.q = random_tensor(a.q.shape(), 5).to(a.q.dtype());
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionOutputs of_a = a.run({.lse = true, .weights = true});
      const AttentionOutputs of_b = b.run({.lse = true, .weights = true});
      const AttentionDivergence out = attention_divergence(
          {a.q, a.k, of_a.lse, a.options, a.pages}, {b.q, b.k, of_b.lse, b.options, b.pages}, 9);
      const double tolerance = std::max(tolerance_of(of_a.lse), tolerance_of(of_b.lse));
      const int64_t keys = a.k.size(2);
      for (int64_t row = 0; row < out.jensen_shannon.numel(); ++row) {
        const float* p = of_a.weights.data<float>() + row * keys;
        const float* q = of_b.weights.data<float>() + row * keys;
        const float found = out.jensen_shannon.span<float>()[static_cast<size_t>(row)];
        ASSERT_NEAR(found, jensen_shannon_of(p, q, keys), tolerance) << row << " of " << a.text;
      }
      expect_difference(out.difference, of_a.weights, of_b.weights, 9, tolerance);
    });
  }
}

TEST(AttentionDivergence, NoneWithItselfAndLogTwoWhereNoKeyIsShared) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = random_tensor({1, 2, 40, 8}, 1), k = random_tensor({1, 2, 50, 8}, 2);
    const AttentionOptions early{.mask = Mask::padding({20})};
    const Tensor visible = Tensor::empty({1, 50}, DType::boolean);
    for (int64_t s = 0; s < 50; ++s) visible.at<bool>({0, s}) = s >= 20;
    const AttentionOptions late{.mask = Mask::boolean(visible)};
    const auto run = [&](const AttentionOptions& options) {
      return AttentionRun{q, k, attention_outputs(q, k, k, options, {.lse = true}).lse, options};
    };
    for (const float x :
         attention_divergence(run(early), run(early)).jensen_shannon.span<float>()) {
      EXPECT_NEAR(x, 0.0F, 1e-6F);
      EXPECT_GE(x, 0.0F);
    }
    for (const float x : attention_divergence(run(early), run(late)).jensen_shannon.span<float>()) {
      EXPECT_NEAR(x, std::log(2.0F), 1e-6F);
    }
    // Two heads of one run.
    const AttentionRun both = run({});
    const auto head = [&](int64_t h) {
      return AttentionRun{
          q.slice(1, h, h + 1), k.slice(1, h, h + 1), both.lse.slice(1, h, h + 1).contiguous(), {}};
    };
    EXPECT_GT(attention_divergence(head(0), head(1)).jensen_shannon.at({0, 0, 3}), 1e-4F);
  });
}

TEST(AttentionDivergence, SameBitsAtAnyThreadCount) {
  const Tensor q = random_tensor({1, 2, 700, 8}, 1), k = random_tensor({1, 2, 600, 8}, 2);
  const int before = num_threads();
  set_num_threads(1);
  const auto run = [&](float scale) {
    const AttentionOptions options{.scale = scale};
    return AttentionRun{q, k, attention_outputs(q, k, k, options, {.lse = true}).lse, options};
  };
  const AttentionDivergence alone = attention_divergence(run(1.0F), run(2.0F), 50);
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    const AttentionDivergence many = attention_divergence(run(1.0F), run(2.0F), 50);
    const auto same = [](const Tensor& a, const Tensor& b) {
      return std::ranges::equal(a.span<float>(), b.span<float>());
    };
    EXPECT_TRUE(same(alone.jensen_shannon, many.jensen_shannon));
    EXPECT_TRUE(same(alone.difference.sum, many.difference.sum));
    EXPECT_TRUE(same(alone.difference.max, many.difference.max));
  }
  set_num_threads(before);
}

TEST(AttentionDivergence, TellsHowFarItIsAndStopsWhenAsked) {
  const Tensor q = random_tensor({1, 2, 700, 4}, 1);
  const Tensor lse = attention_outputs(q, q, q, {}, {.lse = true}).lse;
  int64_t last = 0, all = 0;
  const Progress progress = [&](int64_t done, int64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
  };
  attention_divergence({q, q, lse}, {q, q, lse}, 0, progress);
  EXPECT_GT(all, 0);
  EXPECT_EQ(last, all);
  request_cancel();
  expect_error(ErrorCode::cancelled, {}, [&] { attention_divergence({q, q, lse}, {q, q, lse}); });
  clear_cancel();
}

TEST(AttentionDivergence, RefusesRunsOfDifferentSizes) {
  const Tensor q = random_tensor({1, 2, 5, 4}, 1);
  const Tensor lse = attention_outputs(q, q, q, {}, {.lse = true}).lse;
  const Tensor fewer = q.slice(2, 0, 4);
  const Tensor fewer_lse = attention_outputs(q, fewer, fewer, {}, {.lse = true}).lse;
  expect_error(ErrorCode::invalid_argument, {"the same S", "5 and 4"}, [&] {
    attention_divergence({q, q, lse, {}}, {q, fewer, fewer_lse, {}});
  });
  expect_error(ErrorCode::invalid_argument, {"map must be in [0, 1024]", "2000"}, [&] {
    attention_divergence({q, q, lse, {}}, {q, q, lse, {}}, 2000);
  });
  expect_error(ErrorCode::invalid_argument, {"lse must be [B=1, H=2, T=5]", "[1, 2, 4]"}, [&] {
    attention_divergence({q, q, lse}, {q, q, lse.slice(2, 0, 4)});
  });
  expect_error(ErrorCode::invalid_argument, {"lse must be contiguous; call contiguous()"}, [&] {
    attention_tile(q, q, Tensor::full({1}, 0).expand({1, 2, 5}), {}, {0, 1}, {0, 1});
  });
}

}  // namespace
}  // namespace heed::testing
