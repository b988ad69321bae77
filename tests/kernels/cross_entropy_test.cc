#include "heed/kernels/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;

/// The header's u, for logits within [-range, range).
double bound(int64_t n, float range) { return (double(n) / 8 + 8 + 2.0 * range) * kEpsilon; }

TEST(CrossEntropyKernel, IsTheLaw) {
  on_every_isa([](Isa) {
    for (const int64_t n : {1, 2, 7, 8, 16, 17, 33, 65, 1000}) {
      for (const float smoothing : {0.0F, 0.1F}) {
        for (const float range : {1.0F, 20.0F}) {
          const std::vector<float> x = random_floats(size_t(n), uint32_t(n), range);
          std::vector<float> exact(size_t(n) + 1, -7.0F), fast = exact;
          CrossEntropyRow row{.logits = x.data(),
                              .n = n,
                              .target = n / 3,
                              .smoothing = smoothing,
                              .factor = 0.25F,
                              .gradient = exact.data()};
          const double loss = ref::cross_entropy(row);
          row.gradient = fast.data();
          const double u = bound(n, range);
          EXPECT_NEAR(cross_entropy(row), loss, u);
          for (int64_t j = 0; j < n; ++j) {
            ASSERT_NEAR(fast[size_t(j)], exact[size_t(j)], u * 0.25 * 2.1)
                << "n " << n << " at " << j;
          }
          EXPECT_EQ(fast[size_t(n)], -7.0F);
          row.gradient = nullptr;
          EXPECT_NEAR(cross_entropy(row), loss, u);
        }
      }
    }
  });
}

TEST(CrossEntropyKernel, TheGradientMayReplaceTheLogits) {
  on_every_isa([](Isa) {
    std::vector<float> x = random_floats(77, 1, 3.0F), apart(77);
    CrossEntropyRow row{
        .logits = x.data(), .n = 77, .target = 5, .smoothing = 0.2F, .gradient = apart.data()};
    const double loss = cross_entropy(row);
    row.gradient = x.data();
    EXPECT_EQ(cross_entropy(row), loss);
    EXPECT_EQ(x, apart);
  });
}

TEST(CrossEntropyKernel, ClassesThatCannotBeAndNan) {
  on_every_isa([](Isa) {
    std::vector<float> x = random_floats(20, 1), gradient(20);
    x[3] = -INFINITY;
    CrossEntropyRow row{.logits = x.data(), .n = 20, .target = 4, .gradient = gradient.data()};
    EXPECT_TRUE(std::isfinite(cross_entropy(row)));
    EXPECT_EQ(gradient[3], 0.0F);
    row.target = 3;
    EXPECT_EQ(cross_entropy(row), INFINITY);
    x[7] = NAN;
    EXPECT_TRUE(std::isnan(cross_entropy(row)));
    x[7] = 1e30F;  // far above the others: nothing overflows
    row.target = 7;
    EXPECT_EQ(cross_entropy(row), 0.0);
  });
}

}  // namespace
}  // namespace heed::kernels
