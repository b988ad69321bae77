#include "heed/autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "heed/nn/checkpoint.h"
#include "heed/nn/layer_norm.h"
#include "heed/ops/activation.h"
#include "heed/ops/elementwise.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::expect_same_bits;
using testing::random_tensor;
using Tensors = std::vector<Tensor>;

/// A small pre-norm block with two weights that it captured.
struct Layer {
  Tensor gain = leaf(random_tensor({6}, 1));
  Tensor factor = leaf(random_tensor({4, 6}, 2));

  Tensor operator()(const Tensor& x, const Mask&, const Run& run) const {
    const Tensor h = multiply(layer_norm(x, gain, {}, 1e-5F), factor);
    return add(x, dropout(activate(h, Activation::gelu), run.dropout(&DropoutRates::hidden, 6)));
  }
};

struct Found {
  Tensor y, dx, dgain, dfactor;
  uint64_t drawn;
};

/// Three blocks one after another, with the last two's outputs dropped alike.
Found run(bool recompute, float rate) {
  const Tensor x = leaf(random_tensor({4, 6}, 3));
  const Layer layers[2];
  Training training{.rates = {.hidden = rate}, .seed = 5, .recompute = recompute};
  const Run run{.training = &training};
  Tensor y = x;
  for (const Layer& layer : layers) y = through_block(layer, y, {}, run);
  y = through_block(layers[0], y, {}, run);
  backward(y, random_tensor({4, 6}, 4));
  return {y.detach(), gradient(x), gradient(layers[0].gain), gradient(layers[1].factor),
          training.drawn};
}

TEST(Checkpoint, GivesTheBitsOfTheWholeGraph) {
  for (const float rate : {0.0F, 0.3F}) {
    const Found plain = run(false, rate), again = run(true, rate);
    expect_same_bits(again.y, plain.y, "y");
    expect_same_bits(again.dx, plain.dx, "dx");
    expect_same_bits(again.dgain, plain.dgain, "dgain");
    expect_same_bits(again.dfactor, plain.dfactor, "dfactor");
    EXPECT_EQ(again.drawn, plain.drawn);
  }
}

TEST(Checkpoint, RecordsForWhatTheBlockCapturedAlone) {
  const Tensor weight = leaf(Tensor::from({2, 3}, {2}));
  const Tensor x = Tensor::from({5, 7}, {2});
  const Tensor y = checkpoint([weight](const Tensors& in) { return multiply(in[0], weight); }, {x});
  EXPECT_TRUE(y.traced());
  backward(y, Tensor::full({2}, 1));
  expect_same_bits(gradient(weight), x, "dweight");
}

TEST(Checkpoint, LeavesThatBlocksCapturedAreToldOfWhenAllBlocksAreDone) {
  const Tensor x = leaf(random_tensor({4, 6}, 3));
  const Layer layers[2];
  Training training{.seed = 5, .recompute = true};
  const heed::Run recomputing{.training = &training};
  Tensor y = through_block(layers[0], x, {}, recomputing);
  y = through_block(layers[1], y, {}, recomputing);
  y = through_block(layers[0], y, {}, recomputing);  // the first one's weights once more
  std::vector<const Trace*> order;
  std::vector<Tensor> then;
  backward(y, random_tensor({4, 6}, 4), [&](const Trace& leaf) {
    order.push_back(&leaf);
    for (const Tensor& one : {layers[0].gain, layers[0].factor, layers[1].gain, layers[1].factor}) {
      if (one.trace().get() == &leaf) then.push_back(gradient(one).clone());
    }
  });
  const auto trace = [](const Tensor& of) -> const Trace* { return of.trace().get(); };
  EXPECT_EQ(order,
            (std::vector<const Trace*>{trace(layers[1].gain), trace(layers[1].factor), trace(x),
                                       trace(layers[0].gain), trace(layers[0].factor)}));
  ASSERT_EQ(then.size(), 4U);
  expect_same_bits(then[0], gradient(layers[1].gain), "gain 1");
  expect_same_bits(then[2], gradient(layers[0].gain), "gain 0");
  expect_same_bits(then[3], gradient(layers[0].factor), "factor 0");
}

TEST(Checkpoint, BlocksShareWhatWasComputedBeforeThem) {
  const auto gradients = [](bool recompute) {
    const Tensor a = leaf(random_tensor({4, 6}, 1)), x = leaf(random_tensor({4, 6}, 2));
    const Tensor weight = activate(a, Activation::tanh);
    const Block block = [&](const Tensors& in) { return add(in[0], multiply(in[0], weight)); };
    Tensor y = x;
    for (int i = 0; i < 3; ++i) y = recompute ? checkpoint(block, {y}) : block({y});
    int told = 0;
    backward(y, random_tensor({4, 6}, 3), [&](const Trace&) { ++told; });
    EXPECT_EQ(told, 2);
    return Tensors{gradient(a), gradient(x)};
  };
  const Tensors plain = gradients(false), again = gradients(true);
  expect_same_bits(again[0], plain[0], "da");
  expect_same_bits(again[1], plain[1], "dx");
}

TEST(Checkpoint, WithoutRecordingOrWithoutAnythingTracedNothingHappens) {
  const Tensor x = Tensor::from({5, 7}, {2});
  int calls = 0;
  const Block twice = [&](const Tensors& in) {
    ++calls;
    return scale(in[0], 2);
  };
  {
    const NoGrad off;
    EXPECT_FALSE(checkpoint(twice, {leaf(x)}).traced());
  }
  EXPECT_EQ(calls, 1);
  backward(checkpoint(twice, {x}), Tensor::full({2}, 1));
  EXPECT_EQ(calls, 3);
  EXPECT_TRUE(recording());
}

TEST(Checkpoint, KeepsTheInputsAlone) {
  const Tensor x = leaf(random_tensor({3}, 1));
  Tensor inner;
  const Tensor y = checkpoint(
      [&](const Tensors& in) {
        inner = scale(in[0], 2);
        return activate(inner, Activation::tanh);
      },
      {x});
  EXPECT_FALSE(inner.traced());
  EXPECT_TRUE(inner.unique()) << "nobody keeps what the block computed";
}

}  // namespace
}  // namespace heed
