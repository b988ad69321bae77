#include "heed/kernels/attention.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/kernels/attention_law.h"

namespace heed::kernels {
namespace {

TEST(AttentionLaw, EveryHeadAndValueSize) {
  constexpr std::array<int64_t, 9> kSizes{1, 5, 16, 31, 64, 80, 128, 160, 256};
  for (size_t d = 0; d < kSizes.size(); ++d) {
    for (const size_t shift : {0, 1, 4}) {
      const int64_t e = kSizes[(d + shift) % kSizes.size()];
      expect_law({.queries = 33, .keys = 40, .head_dim = kSizes[d], .value_dim = e});
    }
  }
}

TEST(AttentionLaw, EveryLength) {
  for (const int64_t t : {0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 129, 193}) {
    for (const int64_t s : {0, 1, 2, 7, 31, 32, 33, 100, 128, 129, 193}) {
      expect_law({.queries = t, .keys = s, .head_dim = 8, .value_dim = 12});
      expect_law({.queries = t, .keys = s, .head_dim = 8, .value_dim = 12, .causal = true});
    }
  }
}

TEST(AttentionLaw, EveryCombinationOfMasksStridesAndGroups) {
  for (const Case& c : mask_combinations()) expect_law(c);
}

TEST(AttentionLaw, LongRowsAndWideSpreads) {
  expect_law({.queries = 3, .keys = 2000, .head_dim = 64, .value_dim = 64});
  for (const float spread : {1e-3F, 3.0F, 10.0F}) {
    expect_law({.queries = 20, .keys = 300, .head_dim = 64, .value_dim = 8, .spread = spread});
  }
}

TEST(AttentionLaw, AThreadsScratchIsWithinTwoMegabytes) {
  on_every_isa(
      [](Isa isa) { EXPECT_LE(attention_scratch_bytes(256, 256), 2 << 20) << to_string(isa); });
}

}  // namespace
}  // namespace heed::kernels
