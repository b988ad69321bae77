#include <gtest/gtest.h>

#include <cmath>

#include "heed/base/parallel.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/normalization.h"
#include "tests/golden.h"
#include "tests/ops/gradient_laws.h"

namespace heed {
namespace {

using testing::Doubles;
using testing::expect_gradients;
using testing::expect_same_bits;
using testing::random_tensor;
using Tensors = std::vector<Tensor>;
using Values = std::vector<Doubles>;

constexpr int64_t kWidth = 19;
// 30 roundings of f32 beside f64, and 1 / spread of rows of 19 normal numbers.
constexpr double kTolerance = 5e-6;

Doubles norm(const Doubles& x, const Doubles& gain, const Doubles& bias, bool centred) {
  return testing::norm(x, gain, bias, centred, 1e-5F);
}

TEST(NormGradient, OfEveryInput) {
  const Tensor x = random_tensor({2, 3, kWidth}, 1), gain = random_tensor({kWidth}, 2),
               bias = random_tensor({kWidth}, 3), residual = random_tensor({2, 3, kWidth}, 4);
  expect_gradients(
      {x, gain, bias}, [](const Tensors& in) { return layer_norm(in[0], in[1], in[2], 1e-5F); },
      [](const Values& in) { return norm(in[0], in[1], in[2], true); }, kTolerance);
  expect_gradients(
      {x, gain}, [](const Tensors& in) { return layer_norm(in[0], in[1], {}, 1e-5F); },
      [](const Values& in) { return norm(in[0], in[1], {}, true); }, kTolerance);
  expect_gradients(
      {x, gain}, [](const Tensors& in) { return rms_norm(in[0], in[1], 1e-5F); },
      [](const Values& in) { return norm(in[0], in[1], {}, false); }, kTolerance);
  expect_gradients(
      {x, residual, gain, bias},
      [](const Tensors& in) { return add_layer_norm(in[0], in[1], in[2], in[3], 1e-5F); },
      [](const Values& in) { return norm(testing::plus(in[0], in[1]), in[2], in[3], true); },
      kTolerance);
}

TEST(NormGradient, OfOneInputAlone) {
  const Tensor x = random_tensor({5, kWidth}, 1), gain = random_tensor({kWidth}, 2);
  expect_gradients(
      {gain}, [&](const Tensors& in) { return layer_norm(x, in[0], {}, 1e-5F); },
      [&](const Values& in) { return norm(testing::doubles(x), in[0], {}, true); }, kTolerance);
  expect_gradients(
      {x}, [&](const Tensors& in) { return add_layer_norm(in[0], in[0], gain, {}, 1e-5F); },
      [&](const Values& in) {
        return norm(testing::plus(in[0], in[0]), testing::doubles(gain), {}, true);
      },
      kTolerance);
}

TEST(NormGradient, RecordingChangesNoBitOfTheResult) {
  const Tensor x = random_tensor({6, kWidth}, 1), r = random_tensor({6, kWidth}, 2),
               gain = random_tensor({kWidth}, 3);
  const Tensor plain = add_layer_norm(x, r, gain, gain, 1e-5F);
  expect_same_bits(add_layer_norm(leaf(x), r, gain, gain, 1e-5F), plain, "add_layer_norm");
  const NoGrad off;
  EXPECT_FALSE(add_layer_norm(leaf(x), r, gain, gain, 1e-5F).traced());
}

TEST(NormGradient, SameBitsAtAnyNumberOfThreads) {
  const Tensor x = random_tensor({1000, 40}, 1), gain = random_tensor({40}, 2),
               dy = random_tensor({1000, 40}, 3);
  const auto run = [&](int threads) {
    set_num_threads(threads);
    const Tensors leaves{leaf(x), leaf(gain), leaf(gain)};
    backward(layer_norm(leaves[0], leaves[1], leaves[2], 1e-5F), dy);
    return Tensors{gradient(leaves[0]), gradient(leaves[1]), gradient(leaves[2])};
  };
  const Tensors one = run(1);
  for (const int threads : {2, 3, 7}) {
    const Tensors more = run(threads);
    for (size_t i = 0; i < one.size(); ++i) expect_same_bits(more[i], one[i], "more threads");
  }
  set_num_threads(1);
}

TEST(SoftmaxGradient, OfAView) {
  expect_gradients(
      {random_tensor({7, 4}, 1, 2.0F)},
      [](const Tensors& in) { return softmax(in[0].transpose(0, 1)); },
      [](const Values& in) {
        Doubles y;
        for (size_t r = 0; r < 4; ++r) {
          double sum = 0;
          for (size_t c = 0; c < 7; ++c) sum += std::exp(in[0][c * 4 + r]);
          for (size_t c = 0; c < 7; ++c) y.push_back(std::exp(in[0][c * 4 + r]) / sum);
        }
        return y;
      },
      kTolerance);
}

}  // namespace
}  // namespace heed
