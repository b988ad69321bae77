#include <gtest/gtest.h>

#include "heed/base/parallel.h"
#include "heed/ops/activation.h"
#include "heed/ops/elementwise.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/ops/gradient_laws.h"

namespace heed {
namespace {

using testing::Doubles;
using testing::expect_gradients;
using testing::expect_same_bits;
using testing::random_tensor;

TEST(Gated, IsTheActivatedFirstHalfTimesTheSecond) {
  const int before = num_threads();
  for (const int64_t width : {1, 3, 17, 5000}) {
    const Tensor x = random_tensor({2, 3, 2 * width}, 1);
    const Tensor gate = x.slice(2, 0, width), up = x.slice(2, width, 2 * width);
    const Tensor expected = multiply(activate(gate, Activation::silu), up);
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      expect_same_bits(gated(x, Activation::silu), expected, std::to_string(width));
    }
  }
  set_num_threads(before);
  EXPECT_EQ(gated(Tensor::empty({0, 4}), Activation::silu).numel(), 0);
  expect_error(ErrorCode::invalid_argument, {"gated", "halves", "3"}, [] {
    gated(Tensor::zeros({2, 3}), Activation::silu);
  });
}

TEST(GatedGradient, OfEveryActivation) {
  for (const Activation activation : testing::kActivations) {
    expect_gradients(
        {random_tensor({3, 2, 10}, 2)},
        [&](const std::vector<Tensor>& in) { return gated(in[0], activation); },
        [&](const std::vector<Doubles>& in) { return testing::gated(activation, in[0], 10); },
        2e-6);
  }
}

}  // namespace
}  // namespace heed
