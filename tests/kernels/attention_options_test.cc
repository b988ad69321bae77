#include <gtest/gtest.h>

#include <array>
#include <random>

#include "heed/kernels/attention.h"
#include "tests/kernels/attention_law.h"

// The law for everything beyond the plain softmax: windows, caps, biases by distance, sinks,
// dropout, half precision, pages.

namespace heed::kernels {
namespace {

constexpr int64_t kOpen = AttentionProblem::kOpen;
// Around the widths of tiles (8, 16, 32), of chunks (128) and of a call (128).
constexpr std::array<int64_t, 8> kQueries{1, 7, 16, 31, 33, 64, 129, 200};
constexpr std::array<int64_t, 8> kKeys{1, 5, 17, 32, 100, 128, 131, 300};

/// The case at every pair of sizes.
void expect_law_at_sizes(Case c) {
  for (const int64_t t : kQueries) {
    for (const int64_t s : kKeys) {
      c.queries = t;
      c.keys = s;
      expect_law(c);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(AttentionOptionsLaw, Windows) {
  for (const int64_t left : {int64_t{0}, int64_t{3}, int64_t{40}, kOpen}) {
    for (const int64_t right : {int64_t{0}, int64_t{2}, int64_t{50}, kOpen}) {
      expect_law_at_sizes({.head_dim = 8, .value_dim = 8, .left = left, .right = right});
    }
  }
  // Causal windows over lengths, the diagonal of each batch row its own.
  for (const int64_t left : {0, 1, 17, 128, 150}) {
    expect_law({.batch = 3,
                .heads = 4,
                .kv_heads = 2,
                .queries = 160,
                .keys = 290,
                .strided = true,
                .causal = true,
                .lengths = true,
                .left = left});
  }
}

TEST(AttentionOptionsLaw, Softcap) {
  for (const float cap : {0.5F, 30.0F}) {
    expect_law_at_sizes({.head_dim = 8, .value_dim = 8, .spread = 3.0F, .softcap = cap});
  }
}

TEST(AttentionOptionsLaw, Distance) {
  expect_law_at_sizes({.batch = 2, .heads = 2, .head_dim = 8, .value_dim = 8, .distance = true});
  expect_law_at_sizes(
      {.head_dim = 4, .value_dim = 4, .causal = true, .left = 20, .distance = true});
}

TEST(AttentionOptionsLaw, Sinks) {
  for (const float spread : {1.0F, 10.0F}) {
    expect_law_at_sizes({.heads = 3,
                         .head_dim = 8,
                         .value_dim = 8,
                         .causal = true,
                         .spread = spread,
                         .sinks = true});
  }
  expect_law_at_sizes({.heads = 2, .head_dim = 8, .value_dim = 8, .bias = true, .sinks = true});
}

TEST(AttentionOptionsLaw, Dropout) {
  for (const float p : {0.1F, 0.9F}) {
    expect_law_at_sizes({.batch = 2, .heads = 2, .head_dim = 8, .value_dim = 8, .dropout = p});
  }
  expect_law_at_sizes({.head_dim = 8, .value_dim = 8, .causal = true, .left = 37, .dropout = 0.5F});
}

TEST(AttentionOptionsLaw, EveryMixOfElements) {
  for (const Element queries_as : {Element::f32, Element::bf16, Element::f16}) {
    for (const Element keys_as : {Element::f32, Element::bf16, Element::f16}) {
      for (const int64_t size : {1, 7, 8, 15, 16, 17, 33, 64, 80}) {
        expect_law({.batch = 2,
                    .heads = 2,
                    .kv_heads = 1,
                    .queries = 35,
                    .keys = 140,
                    .head_dim = size,
                    .value_dim = size + 3,
                    .strided = size % 2 == 0,
                    .causal = true,
                    .queries_as = queries_as,
                    .keys_as = keys_as});
      }
    }
  }
}

TEST(AttentionOptionsLaw, Pages) {
  for (const Element keys_as : {Element::f32, Element::bf16}) {
    for (const int64_t tokens : {1, 7, 16, 128, 256}) {
      for (const int64_t keys : {1, 6, 127, 128, 129, 300}) {
        expect_law({.batch = 3,
                    .heads = 4,
                    .kv_heads = 2,
                    .queries = 20,
                    .keys = keys,
                    .strided = tokens == 7,
                    .causal = keys % 2 == 0,
                    .lengths = keys > 20,
                    .keys_as = keys_as,
                    .page_tokens = tokens});
      }
    }
  }
}

TEST(AttentionOptionsLaw, AllAtOnce) {
  std::mt19937 random(7);
  const auto any = [&](auto... values) {
    const std::array options{values...};
    return options[random() % options.size()];
  };
  for (int i = 0; i < 150; ++i) {
    const int64_t kv_heads = any(1, 2);
    expect_law({.batch = any(1, 2),
                .heads = kv_heads * any(1, 3),
                .kv_heads = kv_heads,
                .queries = any(1, 9, 33, 70, 130),
                .keys = any(1, 30, 128, 140, 270),
                .head_dim = any(3, 16, 20),
                .value_dim = any(1, 16, 24),
                .strided = any(false, true),
                .causal = any(false, true),
                .lengths = any(false, true),
                .visible = any(false, true),
                .bias = any(false, true),
                .row_bias = any(false, true),
                .left = any(kOpen, int64_t{0}, int64_t{20}, int64_t{128}),
                .right = any(kOpen, int64_t{0}, int64_t{9}),
                .softcap = any(0.0F, 2.0F),
                .distance = any(false, true),
                .sinks = any(false, true),
                .dropout = any(0.0F, 0.3F),
                .queries_as = any(Element::f32, Element::bf16, Element::f16),
                .keys_as = any(Element::f32, Element::bf16, Element::f16),
                .page_tokens = any(0, 5, 32)});
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace heed::kernels
