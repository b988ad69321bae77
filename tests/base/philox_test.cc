#include "heed/base/philox.h"

#include <gtest/gtest.h>

#include <set>

namespace heed {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers that Random123 publishes for philox4x32 with seven rounds.
TEST(Philox, EqualsThePublishedVectors) {
  EXPECT_EQ(philox(0, Words{}), (Words{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}));
  EXPECT_EQ(philox(~uint64_t{0}, Words{~0U, ~0U, ~0U, ~0U}),
            (Words{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}));
  EXPECT_EQ(philox(0x299f31d0a4093822, Words{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Words{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}));
}

TEST(Philox, DerivedSeedsAndUsesDiffer) {
  std::set<uint64_t> seeds;
  for (uint64_t i = 0; i < 1000; ++i) seeds.insert(derived_seed(7, i));
  EXPECT_EQ(seeds.size(), 1000U);
  EXPECT_NE(philox(7, 0, PhiloxUse::dropout), philox(7, 0, PhiloxUse::parameters));
  EXPECT_NE(philox(7, 0, PhiloxUse::dropout), philox(7, uint64_t{1} << 32, PhiloxUse::dropout));
}

}  // namespace
}  // namespace heed
