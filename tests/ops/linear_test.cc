#include "heed/ops/linear.h"

#include <gtest/gtest.h>

#include "heed/base/error.h"
#include "heed/base/parallel.h"

namespace heed {
namespace {

Tensor ramp(const Shape& shape, float step) {
  const Tensor x = Tensor::empty(shape);
  float value = -1.0f;
  for (float& element : x.span<float>()) {
    element = value;
    value += step;
    if (value > 1.0f) value -= 2.0f;
  }
  return x;
}

void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  for (size_t i = 0; i < x.span<float>().size(); ++i) {
    ASSERT_EQ(x.span<float>()[i], y.span<float>()[i]) << "element " << i;
  }
}

TEST(Linear, ByHand) {
  const PackedLinear linear(Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3}), Tensor::from({10, 20}, {2}));
  EXPECT_EQ(linear.inputs(), 3);
  EXPECT_EQ(linear.outputs(), 2);
  const Tensor y = linear(Tensor::from({1, 0, -1, 2, 2, 2}, {2, 1, 3}));
  EXPECT_EQ(y.shape(), (Shape{2, 1, 2}));
  EXPECT_EQ(std::vector<float>(y.span<float>().begin(), y.span<float>().end()),
            (std::vector<float>{8, 18, 22, 50}));
}

TEST(Linear, StackedWeightsAreTheirProductsSideBySide) {
  const Tensor q = ramp({50, 20}, 0.37f);
  const Tensor k = ramp({30, 20}, 0.23f);
  const Tensor bias = ramp({30}, 0.1f);
  const Tensor x = ramp({7, 20}, 0.41f);
  const Tensor both = PackedLinear({q, k}, {Tensor(), bias})(x);
  expect_same_bits(both.slice(1, 0, 50), PackedLinear(q, Tensor())(x));
  expect_same_bits(both.slice(1, 50, 80), PackedLinear(k, bias)(x));
}

TEST(Linear, HalfWeightsAreWidened) {
  const Tensor w = ramp({33, 18}, 0.37f);
  const Tensor x = ramp({2, 18}, 0.41f);
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor narrow = w.to(dtype);
    expect_same_bits(PackedLinear(narrow, Tensor())(x),
                     PackedLinear(narrow.to(DType::f32), Tensor())(x));
  }
}

TEST(Linear, ThreadsAndBatchMatesChangeNoBit) {
  const PackedLinear linear(ramp({300, 200}, 0.37f), ramp({300}, 0.1f));
  const Tensor x = ramp({260, 200}, 0.41f);
  set_num_threads(1);
  const Tensor expected = linear(x, Activation::gelu);
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    expect_same_bits(linear(x, Activation::gelu), expected);
  }
  expect_same_bits(linear(x.slice(0, 100, 117), Activation::gelu), expected.slice(0, 100, 117));
}

TEST(Linear, StridedInputsAndEmptyOnes) {
  const PackedLinear linear(ramp({5, 6}, 0.37f), Tensor());
  const Tensor x = ramp({6, 4}, 0.41f);
  expect_same_bits(linear(x.transpose(0, 1)), linear(x.transpose(0, 1).contiguous()));
  EXPECT_EQ(linear(Tensor::empty({0, 6})).shape(), (Shape{0, 5}));
  const PackedLinear no_inputs(Tensor::empty({2, 0}), Tensor::from({3, 4}, {2}));
  EXPECT_EQ(no_inputs(Tensor::empty({2, 0})).at({1, 1}), 4);
}

TEST(Linear, WrongShapesAreNamed) {
  const PackedLinear linear(ramp({5, 6}, 0.37f), Tensor());
  try {
    linear(Tensor::zeros({2, 7}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "linear: x must be [..., K=6] but is [2, 7]; K is 6 in the weights");
  }
  EXPECT_THROW(PackedLinear(ramp({5, 6}, 0.1f), ramp({4}, 0.1f)), Error);
  EXPECT_THROW(PackedLinear({ramp({5, 6}, 0.1f), ramp({5, 7}, 0.1f)}, {Tensor(), Tensor()}), Error);
}

TEST(Matmul, AnyStridesAndLeadingDimensions) {
  const Tensor a = ramp({3, 2, 4, 5}, 0.37f);
  const Tensor b = ramp({3, 2, 6, 5}, 0.23f).transpose(2, 3);
  const Tensor y = matmul(a, b);
  ASSERT_EQ(y.shape(), (Shape{3, 2, 4, 6}));
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 6; ++j) {
      double sum = 0.0;
      for (int64_t k = 0; k < 5; ++k) sum += double(a.at({2, 1, i, k})) * b.at({2, 1, k, j});
      EXPECT_NEAR(y.at({2, 1, i, j}), sum, 5 * 0x1p-24 * 5);
    }
  }
  EXPECT_THROW(matmul(Tensor::zeros({2, 3}), Tensor::zeros({4, 2})), Error);
  EXPECT_THROW(matmul(Tensor::zeros({2, 2, 3}), Tensor::zeros({3, 3, 2})), Error);
}

}  // namespace
}  // namespace heed
