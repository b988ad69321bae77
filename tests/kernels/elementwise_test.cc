#include "heed/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

TEST(Elementwise, AddMultiplyAndScaleAreExactAtEveryLength) {
  on_every_isa([](Isa) {
    const std::vector<float> a = random_floats(100, 1);
    const std::vector<float> b = random_floats(100, 2);
    for (size_t n = 0; n <= 70; ++n) {
      std::vector<float> sum(n + 1, -7.0f);
      std::vector<float> product(n + 1, -7.0f);
      add(a.data() + 1, b.data() + 3, sum.data(), int64_t(n));
      std::vector<float> pairs(n + 1, -7.0f);
      multiply(a.data() + 1, b.data() + 3, pairs.data(), int64_t(n));
      scale(a.data() + 1, 0.3f, product.data(), int64_t(n));
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(sum[i], a[i + 1] + b[i + 3]);
        ASSERT_EQ(pairs[i], a[i + 1] * b[i + 3]);
        ASSERT_EQ(product[i], a[i + 1] * 0.3f);
      }
      EXPECT_EQ(sum[n], -7.0f);
      EXPECT_EQ(pairs[n], -7.0f);
      EXPECT_EQ(product[n], -7.0f);
    }
  });
}

TEST(Elementwise, EveryHalfIsWidenedAsTheReferenceDoes) {
  std::vector<uint16_t> bits(65536 + 5);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = uint16_t(i);
  const auto count = int64_t(bits.size());
  std::vector<float> expected(bits.size());
  std::vector<float> found(bits.size());
  on_every_isa([&](Isa) {
    for (const auto& [fast, law] :
         {std::pair{&widen_bf16, &ref::widen_bf16}, std::pair{&widen_f16, &ref::widen_f16}}) {
      law(bits.data(), expected.data(), count);
      fast(bits.data(), found.data(), count);
      for (size_t i = 0; i < bits.size(); ++i) {
        if (std::isnan(expected[i])) {
          ASSERT_TRUE(std::isnan(found[i])) << i;
        } else {
          ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i])) << i;
        }
      }
    }
  });
}

}  // namespace
}  // namespace heed::kernels
