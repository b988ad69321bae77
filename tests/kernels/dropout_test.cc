#include "heed/kernels/dropout.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

TEST(Dropout, IsTheLawBitForBitAtEveryLengthAndPlace) {
  const std::vector<float> x = random_floats(700, 1);
  for (const int64_t first :
       {int64_t{0}, int64_t{4}, int64_t{7}, int64_t{1} << 34, (int64_t{1} << 34) - 41}) {
    for (const float probability : {0.1F, 0.5F, 0.999F}) {
      const Dropout dropout{probability, 0x123456789abcdefU};
      for (const int64_t n : {0, 1, 3, 7, 15, 16, 17, 63, 64, 65, 200, 699}) {
        std::vector<float> law(size_t(n) + 1, -7.0F);
        ref::dropout(dropout, first, x.data() + 1, law.data(), n);
        on_every_isa([&](Isa) {
          std::vector<float> y(size_t(n) + 1, -7.0F);
          kernels::dropout(dropout, first, x.data() + 1, y.data(), n);
          EXPECT_EQ(y, law) << n << " from " << first;
        });
      }
    }
  }
}

TEST(Dropout, AnElementDependsOnItsIndexAlone) {
  const Dropout dropout{0.3F, 9};
  const std::vector<float> ones(400, 1.0F);
  std::vector<float> whole(400);
  kernels::dropout(dropout, 0, ones.data(), whole.data(), 400);
  for (const int64_t first : {3, 4, 100, 105, 396}) {
    std::vector<float> part(size_t(400 - first));
    kernels::dropout(dropout, first, ones.data(), part.data(), 400 - first);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first));
    const Dropout of_part{.probability = 0.3F, .seed = 9, .first = first};
    kernels::dropout(of_part, 0, ones.data(), part.data(), 400 - first);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first));
  }
}

TEST(Dropout, KeepsTheShareItShouldAndNeighboursAreIndependent) {
  constexpr int64_t kCount = 1 << 20;
  const std::vector<float> ones(kCount, 1.0F);
  std::vector<float> y(kCount), other(kCount);
  for (const float probability : {0.1F, 0.5F}) {
    kernels::dropout({probability, 1}, 0, ones.data(), y.data(), kCount);
    kernels::dropout({probability, 2}, 0, ones.data(), other.data(), kCount);
    int64_t kept = 0, both = 0, next = 0;
    for (int64_t i = 0; i < kCount; ++i) {
      const auto at = size_t(i);
      if (y[at] == 0.0F) continue;
      EXPECT_EQ(y[at], 1.0F / (1.0F - probability));
      ++kept;
      both += other[at] != 0.0F ? 1 : 0;
      next += y[(at + 1) % kCount] != 0.0F ? 1 : 0;
    }
    const double share = 1.0 - double{probability};
    const auto expect_share = [&](int64_t found, double expected) {
      const double deviation = std::sqrt(expected * (1 - expected) * kCount);
      EXPECT_NEAR(double(found), expected * kCount, 4.5 * deviation);
    };
    expect_share(kept, share);
    expect_share(both, share * share);
    expect_share(next, share * share);
  }
}

TEST(Dropout, WhatIsDroppedIsZeroWhateverItHeld) {
  on_every_isa([](Isa) {
    const std::vector<float> bad(64, NAN);
    std::vector<float> y(64);
    const Dropout dropout{0.5F, 3};
    kernels::dropout(dropout, 0, bad.data(), y.data(), 64);
    int64_t zeros = 0;
    for (const float value : y) zeros += value == 0.0F ? 1 : 0;
    EXPECT_GT(zeros, 10);
    EXPECT_LT(zeros, 54);
  });
}

}  // namespace
}  // namespace heed::kernels
