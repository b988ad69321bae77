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
using testing::expect_gradients;
using testing::random_tensor;

TEST(LinearGradient, EveryActivationAndLayout) {
  for (const Activation activation : testing::kActivations) {
    for (const bool across : {false, true}) {
      const Tensor w = across ? random_tensor({7, 5}, 2).transpose(0, 1) : random_tensor({5, 7}, 2);
      expect_gradients(
          {random_tensor({2, 3, 7}, 1), w, random_tensor({5}, 3)},
          [&](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2], activation); },
          [&](const std::vector<Doubles>& in) {
            return activated(activation, affine(in[0], in[1], in[2], 5));
          },
          1e-5);
    }
  }
}

TEST(LinearGradient, StackedWeightsHaveTheirOwn) {
  expect_gradients(
      {random_tensor({6, 4}, 1), random_tensor({3, 4}, 2), random_tensor({5, 4}, 3),
       random_tensor({4, 2}, 4).transpose(0, 1), random_tensor({3}, 5), Tensor(),
       random_tensor({2}, 6)},
      [](const std::vector<Tensor>& in) {
        return linear(in[0], {in[1], in[2], in[3]}, {in[4], in[5], in[6]}, Activation::silu);
      },
      [](const std::vector<Doubles>& in) {
        Doubles y(6 * 10);
        const auto put = [&](size_t part, size_t n, size_t first) {
          const Doubles sums = affine(in[0], in[1 + part], in[4 + part], n);
          for (size_t i = 0; i < sums.size(); ++i) {
            y[i / n * 10 + first + i % n] = activated(Activation::silu, sums[i]);
          }
        };
        put(0, 3, 0);
        put(1, 5, 3);
        put(2, 2, 8);
        return y;
      },
      1e-5);
}

TEST(LinearGradient, LiesAsItsWeight) {
  const Tensor x = random_tensor({6, 4}, 1);
  for (const bool across : {false, true}) {
    const Tensor w =
        leaf(across ? random_tensor({4, 3}, 2).transpose(0, 1) : random_tensor({3, 4}, 2));
    backward(linear(x, w, Tensor()), random_tensor({6, 3}, 3));
    EXPECT_EQ(gradient(w).strides(), w.strides());
  }
}

TEST(LinearGradient, FrozenPartsGetNone) {
  const Tensor x = random_tensor({6, 4}, 1), w = random_tensor({3, 4}, 2),
               dy = random_tensor({6, 3}, 3);
  const Tensor only_x = leaf(x), all_w = leaf(w), all_x = leaf(x);
  backward(linear(only_x, w, Tensor(), Activation::gelu), dy);
  backward(linear(all_x, all_w, Tensor(), Activation::gelu), dy);
  testing::expect_same_bits(gradient(only_x), gradient(all_x), "dx");
  EXPECT_FALSE(linear(x, w, Tensor()).traced());
}

TEST(LinearGradient, EqualsThePackedProduct) {
  const Tensor x = random_tensor({70, 300}, 1), b = random_tensor({130}, 3);
  for (const bool across : {false, true}) {
    const Tensor w =
        across ? random_tensor({300, 130}, 2).transpose(0, 1) : random_tensor({130, 300}, 2);
    const Tensor expected = PackedLinear(w, b)(x, Activation::gelu);
    testing::expect_same_bits(linear(x, w, b, Activation::gelu), expected, "y");
    testing::expect_same_bits(linear(x, leaf(w), b, Activation::gelu), expected, "recorded y");
  }
}

TEST(LinearGradient, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({1000, 200}, 1), b = random_tensor({70}, 3);
  const Tensor dy = random_tensor({1000, 70}, 4);
  std::vector<Tensor> expected;
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    const std::vector<Tensor> in{leaf(x), leaf(random_tensor({70, 200}, 2)), leaf(b)};
    const Tensor y = linear(in[0], in[1], in[2], Activation::gelu);
    backward(y, dy);
    std::vector<Tensor> found{y.detach()};
    for (const Tensor& input : in) found.push_back(gradient(input));
    if (expected.empty()) expected = found;
    for (size_t i = 0; i < found.size(); ++i) {
      testing::expect_same_bits(found[i], expected[i], "tensor " + std::to_string(i));
    }
  }
}

TEST(LinearGradient, ComputesInBf16WhereThatIsWanted) {
  const auto rounded = [](const Tensor& x) { return x.to(DType::bf16).to(DType::f32); };
  const Tensor x = random_tensor({40, 30}, 1), w = random_tensor({20, 30}, 2);
  const Tensor b = random_tensor({20}, 3), dy = random_tensor({40, 20}, 4);
  const Tensor in = leaf(x), weight = leaf(w);
  Tensor y;
  {
    const ComputePrecision precision(Precision::bf16);
    y = linear(in, weight, b);
    EXPECT_EQ(compute_precision(), Precision::bf16);
  }
  EXPECT_EQ(compute_precision(), Precision::f32);
  testing::expect_same_bits(y, linear(rounded(x), rounded(w), b), "y");
  backward(y, dy);  // after the scope, and still in its precision
  const Tensor round_in = leaf(rounded(x)), round_weight = leaf(rounded(w));
  backward(linear(round_in, round_weight, b), rounded(dy));
  testing::expect_same_bits(gradient(in), gradient(round_in), "dx");
  testing::expect_same_bits(gradient(weight), gradient(round_weight), "dw");
}

TEST(MatmulGradient, ComputesInBf16WhereThatIsWanted) {
  const auto rounded = [](const Tensor& x) { return x.to(DType::bf16).to(DType::f32); };
  const Tensor a = random_tensor({2, 7, 30}, 1), b = random_tensor({2, 30, 9}, 2);
  const Tensor dy = random_tensor({2, 7, 9}, 3);
  const Tensor left = leaf(a), right = leaf(b);
  Tensor y;
  {
    const ComputePrecision precision(Precision::bf16);
    y = matmul(left, right);
  }
  testing::expect_same_bits(y, matmul(rounded(a), rounded(b)), "y");
  backward(y, dy);
  const Tensor round_left = leaf(rounded(a)), round_right = leaf(rounded(b));
  backward(matmul(round_left, round_right), rounded(dy));
  testing::expect_same_bits(gradient(left), gradient(round_left), "da");
  testing::expect_same_bits(gradient(right), gradient(round_right), "db");
}

TEST(LinearGradient, WrongShapesAreNamed) {
  EXPECT_THROW(linear(Tensor::zeros({2, 7}), Tensor::zeros({5, 6}), {}), Error);
  EXPECT_THROW(linear(Tensor::zeros({2, 6}), Tensor::zeros({5, 6}), Tensor::zeros({4})), Error);
}

TEST(MatmulGradient, BatchesAndStrides) {
  expect_gradients(
      {random_tensor({2, 3, 4, 5}, 1), random_tensor({2, 3, 6, 5}, 2)},
      [](const std::vector<Tensor>& in) { return matmul(in[0], in[1].transpose(2, 3)); },
      [](const std::vector<Doubles>& in) {
        Doubles y(2 * 3 * 4 * 6);
        for (size_t at = 0; at < y.size(); ++at) {
          const size_t batch = at / 24, i = at / 6 % 4, j = at % 6;
          for (size_t k = 0; k < 5; ++k) {
            y[at] += in[0][batch * 20 + i * 5 + k] * in[1][batch * 30 + j * 5 + k];
          }
        }
        return y;
      },
      1e-5);
}

}  // namespace
}  // namespace heed
