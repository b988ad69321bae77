#include "heed/ops/feed_forward.h"

#include <gtest/gtest.h>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/linear.h"
#include "heed/ops/precision.h"
#include "tests/golden.h"
#include "tests/ops/gradient_laws.h"

namespace heed {
namespace {

using testing::activated;
using testing::affine;
using testing::Doubles;
using testing::random_tensor;

Tensor run(const std::vector<Tensor>& in, Activation activation, const Dropout& dropout) {
  return feed_forward(in[0], {in[1], in[2], in[3], in[4]}, activation, dropout);
}

std::vector<Tensor> draw() {
  return {random_tensor({3, 2, 6}, 1), random_tensor({9, 6}, 2), random_tensor({9}, 3),
          random_tensor({9, 6}, 4).transpose(0, 1), random_tensor({6}, 5)};
}

TEST(FeedForwardGradient, IsThatOfTheFormula) {
  for (const Activation activation : testing::kActivations) {
    for (const float probability : {0.0F, 0.4F}) {
      const Dropout dropout{probability, 7};
      testing::expect_gradients(
          draw(), [&](const std::vector<Tensor>& in) { return run(in, activation, dropout); },
          [&](const std::vector<Doubles>& in) {
            Doubles hidden = activated(activation, affine(in[0], in[1], in[2], 9));
            Tensor kept = Tensor::full({int64_t(hidden.size())}, 1.0F);
            kernels::dropout(dropout, 0, kept.data<float>(), kept.data<float>(), kept.numel());
            for (size_t i = 0; i < hidden.size(); ++i) {
              if (dropout.on()) hidden[i] *= kept.span<float>()[i];
            }
            return affine(hidden, in[3], in[4], 6);
          },
          1e-5);
    }
  }
}

TEST(FeedForwardGradient, EqualsTheTwoLayers) {
  const std::vector<Tensor> values = draw();
  for (const Precision rounding : {Precision::f32, Precision::bf16}) {
    const ComputePrecision precision(rounding);
    std::vector<Tensor> one, two;
    for (const Tensor& value : values) {
      one.push_back(leaf(value));
      two.push_back(leaf(value));
    }
    const Tensor y = run(one, Activation::gelu, {});
    const Tensor apart = linear(linear(two[0], two[1], two[2], Activation::gelu), two[3], two[4]);
    testing::expect_same_bits(y, apart, "y");
    testing::expect_same_bits(y, run(values, Activation::gelu, {}), "unrecorded");
    const Tensor dy = random_tensor(y.shape(), 9);
    backward(y, dy);
    backward(apart, dy);
    for (size_t i = 0; i < one.size(); ++i) {
      testing::expect_same_bits(gradient(one[i]), gradient(two[i]), "input " + std::to_string(i));
    }
  }
}

TEST(FeedForwardGradient, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({500, 60}, 1), dy = random_tensor({500, 60}, 2);
  std::vector<Tensor> expected;
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    const std::vector<Tensor> in{leaf(x), leaf(random_tensor({200, 60}, 3)), Tensor(),
                                 leaf(random_tensor({60, 200}, 4)), Tensor()};
    const Tensor y = run(in, Activation::gelu_tanh, {0.1F, 5});
    backward(y, dy);
    const std::vector<Tensor> found{y.detach(), gradient(in[0]), gradient(in[1]), gradient(in[3])};
    if (expected.empty()) expected = found;
    for (size_t i = 0; i < found.size(); ++i) {
      testing::expect_same_bits(found[i], expected[i], "tensor " + std::to_string(i));
    }
  }
}

TEST(FeedForwardGradient, WrongShapesAreNamed) {
  std::vector<Tensor> in = draw();
  in[3] = random_tensor({6, 8}, 4);
  EXPECT_THROW(run(in, Activation::relu, {}), Error);
}

}  // namespace
}  // namespace heed
