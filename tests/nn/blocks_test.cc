#include "heed/ops/blocks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "heed/base/error.h"
#include "heed/nn/embedding.h"
#include "heed/nn/linear.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::random_tensor;

/// "q.weight" and "words.weight" in blocks, "k.weight" in f32.
class Source : public Params::Source {
 public:
  mutable std::set<std::string> released;
  BlockMatrix q = quantize(random_tensor({30, 64}, 1), BlockKind::q4_1);
  BlockMatrix words = quantize(random_tensor({50, 64}, 2), BlockKind::q8_0);
  Tensor k = random_tensor({20, 64}, 3), bias = random_tensor({20}, 4);

  Tensor find(const std::string& name) const override {
    if (name == "k.weight") return k;
    return name == "k.bias" ? bias : Tensor();
  }
  std::optional<BlockMatrix> blocks(const std::string& name) const override {
    if (name == "q.weight") return q;
    if (name == "words.weight") return words;
    return std::nullopt;
  }
  std::vector<std::string> names() const override {
    return {"k.bias", "k.weight", "q.weight", "words.weight"};
  }
  std::string describe() const override { return "the test"; }
  void release(const std::string& name) const override { released.insert(name); }
};

void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  const Tensor x = a.contiguous(), y = b.contiguous();
  EXPECT_EQ(std::memcmp(x.raw_data(), y.raw_data(), static_cast<size_t>(x.numel()) * sizeof(float)),
            0);
}

TEST(WeightsInBlocks, LayersTakeThemWhereTheSourceServesThem) {
  const auto source = std::make_shared<Source>();
  const Params params(source);
  const Tensor x = random_tensor({3, 64}, 5);
  const LinearWeights q(params / "q", 64, 30, false), k(params / "k", 64, 20);
  ASSERT_TRUE(q.blocks.has_value());
  EXPECT_EQ(q.outputs(), 30);
  EXPECT_EQ(q.inputs(), 64);
  expect_same_bits(Linear(q)(x), BlockLinear({source->q}, {Tensor()})(x));
  expect_same_bits(Linear(q.split(3)[1])(x), Linear(q)(x).slice(1, 10, 20));
  expect_same_bits(Linear::stacked({q, k})(x),
                   BlockLinear({source->q, as_blocks(source->k)}, {Tensor(), source->bias})(x));

  const Embedding words(params / "words", 50, 64);
  const Tensor ids = Tensor::from(std::vector<int32_t>{7, 49}, {2});
  expect_same_bits(words(ids).slice(0, 1, 2), dequantize(source->words.slice(49, 50)));
  EXPECT_FALSE(words.weights().weight.defined());
  expect_same_bits(Linear(words.weights())(x), BlockLinear({source->words}, {Tensor()})(x));
}

TEST(WeightsInBlocks, AreKeptWhenTheRestIsReleased) {
  const auto source = std::make_shared<Source>();
  const Params params(source);
  const LinearWeights q(params / "q", 64, 30, false), k(params / "k", 64, 20);
  EXPECT_EQ(params.unused(), (std::vector<std::string>{"words.weight"}));
  params.release();
  EXPECT_EQ(source->released, (std::set<std::string>{"k.bias", "k.weight"}));
}

TEST(WeightsInBlocks, AreGivenAsNumbersToWhoAsksForATensor) {
  const auto source = std::make_shared<Source>();
  const Params params(source);
  EXPECT_TRUE(params.contains("q.weight"));
  EXPECT_FALSE(params.contains("v.weight"));
  expect_same_bits(params.tensor("q.weight", {30, 64}), dequantize(source->q));
  EXPECT_THROW(params.tensor("q.weight", {64, 30}), Error);
  EXPECT_THROW(params.blocks("q.weight", 64, 30), Error);
  EXPECT_FALSE(params.blocks("k.weight", 20, 64).has_value());
}

}  // namespace
}  // namespace heed
