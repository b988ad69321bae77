#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "heed/base/parallel.h"
#include "heed/kernels/dispatch.h"
#include "heed/ops/attention.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::expect_same_bits;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::f32) {
  return testing::random_tensor(shape, seed, 1.0F, dtype);
}

/// One query by the readable law, and now.
struct Pair {
  AttentionOutputs law, fast;
};

Pair both(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  const AttentionWant all{.lse = true, .weights = true, .scores = true};
  const kernels::Isa isa = kernels::active_isa();
  Pair pair;
  pair.fast = attention_outputs(q, k, v, options, all);
  kernels::pin_isa(kernels::Isa::reference);
  pair.law = attention_outputs(q, k, v, options, all);
  kernels::pin_isa(isa);
  return pair;
}

void expect_near(const Tensor& fast, const Tensor& law, float tolerance, const char* what) {
  const Tensor a = fast.to(DType::f32).contiguous();
  const Tensor b = law.to(DType::f32).contiguous();
  for (int64_t i = 0; i < a.numel(); ++i) {
    const float x = a.data<float>()[i];
    const float y = b.data<float>()[i];
    if (x == y) continue;
    ASSERT_NEAR(x, y, tolerance * std::max(1.0F, std::abs(y))) << what << " " << i;
  }
}

void expect_law(const Tensor& q, const Tensor& k, const Tensor& v,
                const AttentionOptions& options = {}) {
  const Pair pair = both(q, k, v, options);
  // y's own rounding in a 16-bit type; the rest are f32.
  const float y = q.dtype() == DType::f32 ? 4e-6F : q.dtype() == DType::bf16 ? 8e-3F : 1e-3F;
  expect_near(pair.fast.y, pair.law.y, y, "y");
  expect_near(pair.fast.lse, pair.law.lse, 2e-6F, "lse");
  expect_near(pair.fast.scores, pair.law.scores, 4e-6F, "scores");
  expect_near(pair.fast.weights, pair.law.weights, 4e-6F, "weights");
}

class Decode : public ::testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override { kernels::pin_isa(GetParam()); }
  void TearDown() override { kernels::pin_isa(kernels::available_isas().back()); }
};

TEST_P(Decode, EqualsTheLawAtEverySizeAndGroup) {
  for (const int64_t group : {1, 2, 3, 4, 7, 8}) {
    for (const int64_t size : {1, 5, 16, 31, 64, 80, 128, 256}) {
      for (const int64_t keys : {0, 1, 3, 127, 128, 130, 300}) {
        const auto seed = static_cast<unsigned>(keys + size);
        expect_law(random({2, 2 * group, 1, size}, seed), random({2, 2, keys, size}, seed + 1),
                   random({2, 2, keys, size / 2 + 1}, seed + 2));
        if (HasFailure()) FAIL() << group << " " << size << " " << keys;
      }
    }
  }
}

TEST_P(Decode, EqualsTheLawWithEveryOption) {
  const Tensor q = random({2, 4, 1, 24}, 1);
  const Tensor k = random({2, 2, 200, 24}, 2);
  const Tensor v = random({2, 2, 200, 20}, 3);
  const Tensor bias = random({4, 1, 200}, 4);
  bias.data<float>()[7] = -kInfinity;
  const Tensor slopes = Tensor::from({0.1F, 0.05F, 0.02F, 0.0F}, {4});  // scores of up to 20
  const std::vector<AttentionOptions> all{
      {.softcap = 2.0F},
      {.mask = Mask::window(40, 0)},
      {.mask = Mask::padding({150, 0})},
      {.mask = Mask::padding({150, 3}) & Mask::window(9, 9)},
      {.mask = Mask::additive(bias)},
      {.alibi = slopes},
      {.relative = RelativeBuckets{.table = random({8, 4}, 6)}},
      {.sinks = slopes},
      {.mask = Mask::padding({0, 5}), .sinks = slopes},
      {.dropout = {.probability = 0.3F, .seed = 9}},
  };
  for (size_t i = 0; i < all.size(); ++i) {
    expect_law(q, k, v, all[i]);
    if (HasFailure()) FAIL() << "option " << i;
  }
}

TEST_P(Decode, EqualsTheLawInEveryStorage) {
  for (const DType query : {DType::f32, DType::bf16, DType::f16}) {
    for (const DType key : {DType::f32, DType::bf16, DType::f16}) {
      expect_law(random({1, 6, 1, 37}, 1, query), random({1, 2, 150, 37}, 2, key),
                 random({1, 2, 150, 40}, 3, key));
    }
  }
}

TEST_P(Decode, LongRowsGiveTheSameBitsAtAnyThreadCountAndInAnyBatch) {
  const Tensor q = random({2, 4, 1, 16}, 1);
  const Tensor k = random({2, 1, 9000, 16}, 2);
  const Tensor v = random({2, 1, 9000, 16}, 3);
  expect_law(q, k, v);
  const int before = num_threads();
  set_num_threads(1);
  const Tensor y = attention(q, k, v);
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    expect_same_bits(y, attention(q, k, v), std::to_string(threads));
  }
  set_num_threads(before);
  const Tensor alone = attention(q.slice(0, 1, 2), k.slice(0, 1, 2), v.slice(0, 1, 2));
  expect_same_bits(y.slice(0, 1, 2), alone, "alone");
}

TEST_P(Decode, HeadsSideBySideHaveTheBitsOfHeadsApart) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor q = random({2, 10, 1, 40}, 1, dtype);
    const Tensor k = random({2, 4300, 5, 40}, 2, dtype), v = random({2, 4300, 5, 24}, 3, dtype);
    // one head's values are not finite and hidden: it alone is computed again
    const Tensor wrong = Tensor::full({1}, kInfinity).to(dtype);
    std::memcpy(v.slice(1, 10, 11).select(2, 2).raw_data(), wrong.raw_data(),
                static_cast<size_t>(size_of(dtype)));
    const Tensor visible = Tensor::empty({4300}, DType::boolean);
    for (int64_t s = 0; s < 4300; ++s) visible.data<bool>()[s] = s != 10;
    const AttentionOptions options{.mask = Mask::boolean(visible) & Mask::padding({4299, 130})};
    const AttentionWant want{.lse = true, .weights = true};
    const auto apart = [](const Tensor& x) { return x.transpose(1, 2).contiguous(); };
    const AttentionOutputs expected = attention_outputs(q, apart(k), apart(v), options, want);
    const int before = num_threads();
    for (const int threads : {1, 2, 7}) {
      set_num_threads(threads);
      const AttentionOutputs found =
          attention_outputs(q, k.transpose(1, 2), v.transpose(1, 2), options, want);
      expect_same_bits(found.y, expected.y, "y");
      expect_same_bits(found.lse, expected.lse, "lse");
      expect_same_bits(found.weights, expected.weights, "weights");
    }
    set_num_threads(before);
  }
}

TEST_P(Decode, HeadsThatAreOneInMemoryHaveTheBitsOfCopies) {
  const Tensor q = random({2, 6, 1, 40}, 1);
  const Tensor k = random({2, 1, 300, 40}, 2).expand({2, 3, 300, 40});
  const Tensor v = random({2, 1, 300, 24}, 3).expand({2, 3, 300, 24});
  expect_same_bits(attention(q, k, v), attention(q, k.contiguous(), v.contiguous()), "y");
}

TEST_P(Decode, HiddenKeysHaveNoEffectWhateverTheyHold) {
  const Tensor q = random({1, 2, 1, 16}, 1);
  const Tensor k = random({1, 1, 40, 16}, 2);
  const Tensor v = random({1, 1, 40, 16}, 3);
  const Tensor visible = Tensor::empty({40}, DType::boolean);
  for (int64_t s = 0; s < 40; ++s) visible.data<bool>()[s] = s % 3 != 0;
  const AttentionOptions options{.mask = Mask::boolean(visible) & Mask::padding({35})};
  const Tensor y = attention(q, k, v, options);
  for (const int64_t s : {0, 3, 36}) {
    k.at({0, 0, s, 5}) = kInfinity;
    v.at({0, 0, s, 5}) = std::numeric_limits<float>::quiet_NaN();
  }
  expect_same_bits(y, attention(q, k, v, options), "y");
}

TEST_P(Decode, PagesEqualContiguous) {
  const Tensor q = random({2, 4, 1, 16}, 1);
  const Tensor k = random({5, 2, 32, 16}, 2);
  const Tensor v = random({5, 2, 32, 16}, 3);
  const std::vector<int32_t> entries{4, 0, 2, 1, 3, -1};
  const Tensor table = Tensor::from<int32_t>(entries, {2, 3});
  const AttentionOptions options{.mask = Mask::padding({90, 40})};
  const auto gather = [&](const Tensor& pages) {
    const Tensor all = Tensor::zeros({2, 2, 96, 16});
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t s = 0; s < 96; ++s) {
        const int32_t page = table.at<int32_t>({b, s / 32});
        for (int64_t g = 0; g < 2 && page >= 0; ++g) {
          std::copy_n(&pages.at({page, g, s % 32, 0}), 16, &all.at({b, g, s, 0}));
        }
      }
    }
    return all;
  };
  const Tensor paged = attention(q, KvPages{k, v, table}, options);
  const Tensor flat = attention(q, gather(k), gather(v), options);
  expect_same_bits(paged, flat, "y");
  const auto by_token = [](const Tensor& pages) {  // the heads of a token side by side
    return pages.transpose(1, 2).contiguous().transpose(1, 2);
  };
  const int before = num_threads();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    expect_same_bits(attention(q, KvPages{by_token(k), by_token(v), table}, options), flat,
                     "by token");
  }
  set_num_threads(before);
}

TEST_P(Decode, RowsThatReadTheSamePagesAreAsAlone) {
  const Tensor q = random({6, 4, 1, 16}, 1);
  const KvPages pages{random({3, 2, 300, 16}, 2), random({3, 2, 300, 16}, 3),
                      Tensor::from<int32_t>({2, 2, 0, 0, 1, 1}, {6, 1})};
  for (const std::vector<int64_t>& lengths :
       {std::vector<int64_t>{290, 290, 7, 7, 300, 300}, {290, 290, 7, 8, 300, 300}, {131}, {}}) {
    const auto options = [&](int64_t b) -> AttentionOptions {
      if (lengths.size() < 2) return {.mask = lengths.empty() ? Mask() : Mask::padding(lengths)};
      return {.mask = b < 0 ? Mask::padding(lengths)
                            : Mask::padding({lengths[static_cast<size_t>(b)]})};
    };
    const Tensor y = attention(q, pages, options(-1));
    for (int64_t b = 0; b < 6; ++b) {
      const KvPages own{pages.k, pages.v, pages.table.slice(0, b, b + 1)};
      expect_same_bits(y.slice(0, b, b + 1), attention(q.slice(0, b, b + 1), own, options(b)),
                       "row " + std::to_string(b));
    }
  }
}

TEST_P(Decode, HeadsThatCannotShareAreRefusedWhateverRowsReadTheSamePages) {
  const KvPages pages{random({1, 2, 30, 16}, 2), random({1, 2, 30, 16}, 3),
                      Tensor::from<int32_t>({0, 0}, {2, 1})};
  expect_error(ErrorCode::invalid_argument,
               {"H must be a multiple of G but q has H=3 heads and k has G=2"}, [&] {
                 attention(random({2, 3, 1, 16}, 1), pages);
               });
}

INSTANTIATE_TEST_SUITE_P(, Decode, ::testing::ValuesIn(kernels::available_isas()),
                         [](const auto& isa) { return std::string(to_string(isa.param)); });

}  // namespace
}  // namespace heed
