#include <gtest/gtest.h>

#include "heed/base/parallel.h"
#include "heed/ops/attention_backward.h"
#include "heed/ops/rotary.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/ops/gradient_laws.h"

// That attention records attention_backward, whose own gradients ops/attention_backward_test.cc
// holds to f64.

namespace heed {
namespace {

using testing::Doubles;
using testing::expect_same_bits;
using testing::random_tensor;
using Tensors = std::vector<Tensor>;

constexpr int64_t kBatch = 2, kTokens = 37, kHeads = 3, kSize = 8;

struct Inputs {
  Tensor qkv = random_tensor({kBatch, kTokens, 3, kHeads, kSize}, 1);
  Tensor bias = random_tensor({kHeads, kTokens, kTokens}, 2);
  Tensor row_bias = random_tensor({kBatch, 1, kTokens, 1}, 3);
  Tensor alibi = random_tensor({kHeads}, 4, 0.1F);
  Tensor table = random_tensor({8, kHeads}, 5);
  Tensor sinks = random_tensor({kHeads}, 6);

  Tensor part(int64_t i) const { return qkv.select(2, i).transpose(1, 2); }  // [B, H, T, D]
  AttentionOptions options() const {
    return {.mask = Mask::causal(Align::top_left) & Mask::additive(bias) & Mask::additive(row_bias),
            .alibi = alibi,
            .relative = RelativeBuckets{.table = table, .bidirectional = false},
            .sinks = sinks,
            .dropout = {0.2F, 11}};
  }
  void make_leaves() {
    for (Tensor* x : {&qkv, &bias, &row_bias, &alibi, &table, &sinks}) *x = leaf(*x);
  }
};

TEST(AttentionGradient, IsAttentionBackwardOfEverything) {
  Inputs in;
  const Tensor dy = random_tensor({kBatch, kTokens, kHeads, kSize}, 9).transpose(1, 2);
  const AttentionOutputs plain =
      attention_outputs(in.part(0), in.part(1), in.part(2), in.options(), {.lse = true});
  const AttentionGradients expected =
      attention_backward(in.part(0), in.part(1), in.part(2), in.options(), plain.y, plain.lse, dy,
                         {.bias = true, .alibi = true, .t5_table = true, .sinks = true});
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    Inputs leaves;
    leaves.make_leaves();
    const Tensor y = attention(leaves.part(0), leaves.part(1), leaves.part(2), leaves.options());
    expect_same_bits(y, plain.y, "recording changes nothing");
    backward(y, dy);
    const Tensor dqkv = gradient(leaves.qkv);
    expect_same_bits(dqkv.select(2, 0).transpose(1, 2), expected.dq, "dq");
    expect_same_bits(dqkv.select(2, 1).transpose(1, 2), expected.dk, "dk");
    expect_same_bits(dqkv.select(2, 2).transpose(1, 2), expected.dv, "dv");
    expect_same_bits(gradient(leaves.bias), expected.dbias[0], "dbias");
    expect_same_bits(gradient(leaves.row_bias), expected.dbias[1], "a row's bias");
    expect_same_bits(gradient(leaves.alibi), expected.dalibi, "dalibi");
    expect_same_bits(gradient(leaves.table), expected.dt5_table, "dtable");
    expect_same_bits(gradient(leaves.sinks), expected.dsinks, "dsinks");
  }
  set_num_threads(1);
}

TEST(AttentionGradient, OfAnOptionAlone) {
  const Inputs in;
  AttentionOptions options = in.options();
  options.sinks = leaf(in.sinks);
  const Tensor dy = random_tensor({kBatch, kHeads, kTokens, kSize}, 9);
  backward(attention(in.part(0), in.part(1), in.part(2), options), dy);
  EXPECT_TRUE(gradient(options.sinks).defined());
  const NoGrad off;
  EXPECT_FALSE(attention(in.part(0), in.part(1), in.part(2), options).traced());
}

TEST(AttentionGradient, OfLowPrecisionIsF32) {
  const Inputs in;
  const Tensor q = leaf(in.qkv.to(DType::bf16));
  const auto part = [&](int64_t i) { return q.select(2, i).transpose(1, 2); };
  const Tensor y = attention(part(0), part(1), part(2));
  EXPECT_EQ(y.dtype(), DType::bf16);
  backward(y, random_tensor(y.shape(), 9));
  EXPECT_EQ(gradient(q).dtype(), DType::f32);
  EXPECT_EQ(gradient(q).shape(), q.shape());
}

TEST(RotaryGradient, TurnsBack) {
  const RotaryTable table = rotary_table(10, 6);
  for (const RotaryPairs pairs : {RotaryPairs::halves, RotaryPairs::interleaved}) {
    const RotaryOptions options{.pairs = pairs, .first_position = 2};
    testing::expect_gradients(
        {random_tensor({2, 5, 3, 8}, 1)},
        [&](const Tensors& in) { return rotary(in[0].transpose(1, 2), table, options); },
        [&](const std::vector<Doubles>& in) {
          Doubles y;
          for (size_t row = 0; row < 2 * 3 * 5; ++row) {  // b h t of y
            const size_t b = row / 15, h = row / 5 % 3, t = row % 5;
            const auto head = in[0].begin() + ptrdiff_t(((b * 5 + t) * 3 + h) * 8);
            y.insert(y.end(), head, head + 8);
            testing::turn(&y[row * 8], 6, double(t) + 2, pairs == RotaryPairs::halves);
          }
          return y;
        },
        2e-6);
  }
  expect_error(ErrorCode::invalid_argument, {"rotary()"}, [&] {
    rotate_in_place(leaf(random_tensor({1, 2, 3, 8}, 1)), table);
  });
}

}  // namespace
}  // namespace heed
