#include "heed/ops/blocks.h"

#include <gtest/gtest.h>

#include <cstring>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/block_linear.h"
#include "heed/ops/embedding.h"
#include "heed/ops/linear.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::random_tensor;

void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  const Tensor x = a.contiguous(), y = b.contiguous();
  EXPECT_EQ(std::memcmp(x.raw_data(), y.raw_data(), static_cast<size_t>(x.numel()) * sizeof(float)),
            0);
}

TEST(Blocks, PlainKindsHaveTheTensorsNumbers) {
  const Tensor w = random_tensor({5, 7}, 1);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    const Tensor narrow = w.to(dtype);
    expect_same_bits(dequantize(as_blocks(narrow)), narrow.to(DType::f32));
    expect_same_bits(dequantize(as_blocks(narrow.transpose(0, 1))),
                     narrow.to(DType::f32).transpose(0, 1));
    const BlockKind kind = as_blocks(narrow).kind;
    expect_same_bits(dequantize(quantize(w, kind)), narrow.to(DType::f32));
  }
  EXPECT_EQ(as_blocks(w).data, w.raw_data());
}

TEST(Blocks, QuantizeNamesWhatItCannot) {
  EXPECT_THROW(quantize(random_tensor({2, 33}, 1), BlockKind::q8_0), Error);
  EXPECT_THROW(quantize(random_tensor({2, 256}, 1), BlockKind::q4_k), Error);
  EXPECT_THROW(quantize(Tensor::zeros({2, 32}, DType::i32), BlockKind::q8_0), Error);
}

TEST(BlockLinear, IsTheProductOfItsPartsSideBySide) {
  const Tensor q = random_tensor({50, 64}, 1), k = random_tensor({30, 64}, 2);
  const Tensor v = random_tensor({31, 64}, 3), bias = random_tensor({30}, 4);
  const std::vector<BlockMatrix> parts{quantize(q, BlockKind::q4_1), quantize(k, BlockKind::q8_0),
                                       as_blocks(v)};
  const BlockLinear linear(parts, {Tensor(), bias, Tensor()});
  EXPECT_EQ(linear.inputs(), 64);
  EXPECT_EQ(linear.outputs(), 111);
  for (const int64_t rows : {1, 2, 7, 40}) {
    const Tensor x = random_tensor({rows, 64}, 5);
    const Tensor y = linear(x, Activation::silu);
    const Tensor expected = PackedLinear({dequantize(parts[0]), dequantize(parts[1]), v},
                                         {Tensor(), bias, Tensor()})(x, Activation::silu);
    for (int64_t i = 0; i < y.numel(); ++i) {
      ASSERT_NEAR(y.data<float>()[i], expected.data<float>()[i], 2e-5) << rows << " rows, " << i;
    }
    expect_same_bits(y.slice(1, 50, 80), BlockLinear({parts[1]}, {bias})(x, Activation::silu));
  }
}

TEST(BlockLinear, BitsDependNeitherOnThreadsNorOnOtherRows) {
  const BlockLinear linear({quantize(random_tensor({300, 1088}, 1), BlockKind::q4_0),
                            quantize(random_tensor({21, 1088}, 2), BlockKind::bf16)},
                           {random_tensor({300}, 3), Tensor()});
  const Tensor x = random_tensor({3, 200, 1088}, 4);
  const int before = num_threads();
  set_num_threads(1);
  const Tensor all = linear(x, Activation::gelu);
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    expect_same_bits(linear(x, Activation::gelu), all);
    for (const int64_t row : {0, 77, 199}) {
      expect_same_bits(linear(x.slice(1, row, row + 1), Activation::gelu),
                       all.slice(1, row, row + 1));
    }
  }
  set_num_threads(before);
}

TEST(BlockLinear, PassesTheGradientOn) {
  const BlockMatrix w = quantize(random_tensor({40, 32}, 1), BlockKind::q8_0);
  const Tensor x = random_tensor({5, 32}, 2), dy = random_tensor({5, 40}, 3);
  const Tensor a = leaf(x.clone()), b = leaf(x.clone());
  backward(BlockLinear({w}, {Tensor()})(a, Activation::gelu), dy);
  backward(PackedLinear(dequantize(w), Tensor())(b, Activation::gelu), dy);
  for (int64_t i = 0; i < x.numel(); ++i) {
    ASSERT_NEAR(gradient(a).data<float>()[i], gradient(b).data<float>()[i], 1e-4);
  }
}

TEST(BlockLinear, RefusesWhatDoesNotFit) {
  const BlockMatrix w = quantize(random_tensor({4, 32}, 1), BlockKind::q8_0);
  const BlockMatrix other = quantize(random_tensor({4, 64}, 1), BlockKind::q8_0);
  EXPECT_THROW(BlockLinear({w, other}, {Tensor(), Tensor()}), Error);
  EXPECT_THROW(BlockLinear({w}, {random_tensor({5}, 1)}), Error);
  EXPECT_THROW(BlockLinear({w}, {Tensor()})(random_tensor({2, 31}, 1)), Error);
  EXPECT_EQ(BlockLinear({w}, {Tensor()})(Tensor::empty({0, 32})).shape(), (Shape{0, 4}));
}

TEST(Embedding, OfATableInBlocks) {
  const BlockMatrix table = quantize(random_tensor({9, 64}, 1), BlockKind::q4_1);
  const Tensor ids = Tensor::from(std::vector<int32_t>{3, 8, 0, 3}, {2, 2});
  const Tensor y = embedding(table, ids);
  expect_same_bits(y, embedding(dequantize(table), ids));
  EXPECT_THROW(embedding(table, Tensor::from(std::vector<int32_t>{9}, {1})), Error);
}

}  // namespace
}  // namespace heed
