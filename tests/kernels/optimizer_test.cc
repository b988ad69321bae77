#include "heed/kernels/optimizer.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

/// Arrays that a pass changes, misaligned by one element.
using Arrays = std::vector<std::vector<float>>;

Arrays random_arrays(size_t n) {
  Arrays arrays;
  for (uint32_t i = 0; i < 4; ++i) arrays.push_back(random_floats(n + 1, 10 + i));
  for (float& second : arrays[3]) second *= second;  // as Adam's are
  return arrays;
}

/// pass(w, g, m, v, n) changes w, m and v alike on every instruction set, to the bit.
void expect_law(const std::function<void(float*, const float*, float*, float*, int64_t)>& fast,
                const std::function<void(float*, const float*, float*, float*, int64_t)>& law) {
  on_every_isa([&](Isa) {
    for (const size_t n : {0, 1, 7, 8, 16, 17, 33, 100}) {
      Arrays expected = random_arrays(n);
      Arrays found = expected;
      for (int step = 0; step < 3; ++step) {
        const auto count = static_cast<int64_t>(n);
        law(&expected[0][1], &expected[1][1], &expected[2][1], &expected[3][1], count);
        fast(&found[0][1], &found[1][1], &found[2][1], &found[3][1], count);
      }
      ASSERT_EQ(found, expected) << n << " elements";
    }
  });
}

TEST(OptimizerKernels, AdamIsItsReferenceToTheBit) {
  const AdamStep step{.gradient_factor = 0.7F,
                      .l2 = 0.03F,
                      .decay = 0.99F,
                      .one_minus_beta1 = 0.1F,
                      .beta2 = 0.99F,
                      .one_minus_beta2 = 0.01F,
                      .step_size = 0.2F,
                      .inverse_root = 3.1F,
                      .epsilon = 1e-8F};
  expect_law(
      [&](float* w, const float* g, float* m, float* v, int64_t n) { adam(step, w, g, m, v, n); },
      [&](float* w, const float* g, float* m, float* v, int64_t n) {
        ref::adam(step, w, g, m, v, n);
      });
}

TEST(OptimizerKernels, SgdIsItsReferenceToTheBit) {
  for (const bool nesterov : {false, true}) {
    for (const bool momentum : {false, true}) {
      const SgdStep step{.gradient_factor = 0.7F,
                         .l2 = 0.03F,
                         .rate = 0.1F,
                         .momentum = 0.9F,
                         .nesterov = nesterov};
      const auto buffer = [&](float* m) { return momentum ? m : nullptr; };
      expect_law([&](float* w, const float* g, float* m, float*,
                     int64_t n) { sgd(step, w, g, buffer(m), n); },
                 [&](float* w, const float* g, float* m, float*, int64_t n) {
                   ref::sgd(step, w, g, buffer(m), n);
                 });
    }
  }
}

TEST(OptimizerKernels, LionIsItsReferenceToTheBit) {
  const LionStep step{.gradient_factor = 0.7F,
                      .decay = 0.99F,
                      .rate = 0.01F,
                      .beta1 = 0.9F,
                      .one_minus_beta1 = 0.1F,
                      .beta2 = 0.99F,
                      .one_minus_beta2 = 0.01F};
  expect_law(
      [&](float* w, const float* g, float* m, float*, int64_t n) { lion(step, w, g, m, n); },
      [&](float* w, const float* g, float* m, float*, int64_t n) { ref::lion(step, w, g, m, n); });
}

TEST(OptimizerKernels, LionStandsStillWhereMomentAndGradientAreZero) {
  on_every_isa([&](Isa) {
    std::vector<float> w(20, 0.5F), g(20, 0.0F), m(20, 0.0F);
    lion({.rate = 1, .beta1 = 0.9F, .one_minus_beta1 = 0.1F}, w.data(), g.data(), m.data(), 20);
    EXPECT_EQ(w, std::vector<float>(20, 0.5F));
  });
}

TEST(OptimizerKernels, AdafactorIsItsReferenceToTheBit) {
  const AdafactorStep step{
      .row_factor = 0.3F, .decay = 0.01F, .beta1 = 0.8F, .one_minus_beta1 = 0.2F};
  for (const bool moment : {false, true}) {
    expect_law([&](float* w, const float* g, float* m, float* v,
                   int64_t n) { adafactor(step, w, g, v, moment ? m : nullptr, n); },
               [&](float* w, const float* g, float* m, float* v, int64_t n) {
                 ref::adafactor(step, w, g, v, moment ? m : nullptr, n);
               });
  }
}

TEST(OptimizerKernels, SumsAreTheReferencesToTheBit) {
  on_every_isa([&](Isa) {
    const std::vector<float> x = random_floats(1000, 1), y = random_floats(1000, 2);
    for (const int64_t n : {0, 1, 15, 16, 17, 40, 999}) {
      EXPECT_EQ(sum_squares(&x[1], nullptr, 1, n), ref::sum_squares(&x[1], nullptr, 1, n));
      EXPECT_EQ(sum_squares(&x[1], &y[1], 0.7F, n), ref::sum_squares(&x[1], &y[1], 0.7F, n));
      std::vector<double> found(1000, 0.1), expected(1000, 0.1);
      EXPECT_EQ(adafactor_squares(&x[1], 0.7F, 1e-3F, &found[1], n),
                ref::adafactor_squares(&x[1], 0.7F, 1e-3F, &expected[1], n));
      EXPECT_EQ(found, expected);
    }
  });
}

TEST(OptimizerKernels, SumsOfSquaresAreRoundedInDoubles) {
  const std::vector<float> x = random_floats(100000, 3);
  long double exact = 0;
  for (const float number : x) exact += static_cast<long double>(number) * number;
  const auto n = static_cast<int64_t>(x.size());
  EXPECT_NEAR(sum_squares(x.data(), nullptr, 1, n), static_cast<double>(exact), 1e-9);
}

}  // namespace
}  // namespace heed::kernels
