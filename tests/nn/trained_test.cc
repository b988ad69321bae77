#include <gtest/gtest.h>

#include "heed/autograd/tape.h"
#include "heed/nn/attention.h"
#include "heed/nn/feed_forward.h"
#include "heed/nn/linear.h"
#include "heed/nn/parameter_store.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

// Layers of traced weights compute what packed ones do, and hand gradients on.

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::random_tensor;

TEST(TrainedLinear, ComputesThePackedProduct) {
  const LinearWeights weights(random_tensor({70, 50}, 1), random_tensor({70}, 2));
  const Linear trained({leaf(weights.weight), leaf(weights.bias)}), packed(weights);
  EXPECT_TRUE(trained.in_place());
  EXPECT_FALSE(packed.in_place());
  const Tensor x = random_tensor({3, 9, 50}, 3);
  expect_same_bits(trained(x, Activation::gelu), packed(x, Activation::gelu), "y");
}

TEST(TrainedLinear, FrozenWeightsPassGradientsOn) {
  const LinearWeights weights(random_tensor({130, 50}, 1), random_tensor({130}, 2));
  const Tensor w = leaf(weights.weight), x = leaf(random_tensor({9, 50}, 3));
  const Tensor frozen_x = leaf(x.detach()), dy = random_tensor({9, 130}, 4);
  for (const Activation activation : {Activation::none, Activation::gelu}) {
    clear_gradient(x);
    clear_gradient(frozen_x);
    backward(Linear({w, weights.bias})(x, activation), dy);
    backward(Linear(weights)(frozen_x, activation), dy);
    expect_same_bits(gradient(frozen_x), gradient(x), "dx");
  }
}

TEST(TrainedLinear, FrozenWeightsOfAStoreAreReadWhereTheyLie) {
  const ParameterStore store(std::map<std::string, Tensor>{{"weight", random_tensor({70, 50}, 1)},
                                                           {"bias", random_tensor({70}, 2)}},
                             {.frozen = [](std::string_view) { return true; }});
  const Linear layer(store.params(), 50, 70);
  EXPECT_TRUE(layer.in_place());
  const LinearWeights written(random_tensor({70, 50}, 3), random_tensor({70}, 4));
  store.assign("weight", written.weight);
  store.assign("bias", written.bias);
  const Tensor x = random_tensor({9, 50}, 5);
  expect_same_bits(layer(x), Linear(written)(x), "y");
}

TEST(TrainedLinear, PartsOfOneMatrixAreOneProductAgain) {
  const Tensor x = random_tensor({9, 50}, 3), dy = random_tensor({9, 90}, 4);
  const Tensor weight = leaf(random_tensor({50, 90}, 1)), bias = leaf(random_tensor({90}, 2));
  const LinearWeights whole(weight.transpose(0, 1), bias);
  const std::vector<LinearWeights> parts = whole.split(3);
  EXPECT_EQ(joined(parts).size(), 1U);
  EXPECT_EQ(joined({parts[1], parts[2]}).size(), 1U);
  EXPECT_EQ(joined({parts[1], parts[0]}).size(), 2U);
  EXPECT_EQ(joined({parts[0], whole.split(3)[1]}).size(), 2U) << "of another splitting";
  expect_same_bits(Linear::stacked(parts)(x), Linear(whole)(x), "y");
  expect_same_bits(Linear::stacked({parts[1], parts[2]})(x), Linear(whole)(x).slice(1, 30, 90),
                   "two of them");
  backward(Linear(whole)(x), dy);
  const Tensor dw = gradient(weight), db = gradient(bias);
  clear_gradient(weight);
  clear_gradient(bias);
  backward(Linear::stacked(parts)(x), dy);
  expect_same_bits(gradient(weight), dw, "dw");
  expect_same_bits(gradient(bias), db, "db");
}

TEST(TrainedFeedForward, FrozenOnesPassGradientsOn) {
  const LinearWeights first(random_tensor({130, 48}, 1), random_tensor({130}, 2), true);
  const LinearWeights second(random_tensor({48, 130}, 3), random_tensor({48}, 4), true);
  const FeedForward frozen{Linear(first), Linear(second), Activation::gelu};
  const FeedForward packed(Linear({first.weight, first.bias}), Linear({second.weight, second.bias}),
                           Activation::gelu);
  const Tensor x = leaf(random_tensor({2, 9, 48}, 5)), same_x = leaf(x.detach());
  const Tensor dy = random_tensor({2, 9, 48}, 6);
  const Tensor y = frozen(x), same = packed(same_x);
  expect_same_bits(y, same, "y");
  backward(y, dy);
  backward(same, dy);
  expect_same_bits(gradient(x), gradient(same_x), "dx");
}

TEST(TrainedFeedForward, FrozenHalvesComputeTheSame) {
  const LinearWeights first(random_tensor({130, 48}, 1), random_tensor({130}, 2));
  const LinearWeights second(random_tensor({48, 130}, 3), random_tensor({48}, 4));
  const LinearWeights trained({leaf(first.weight), first.bias});
  const LinearWeights also_trained({leaf(second.weight), second.bias});
  const Tensor x = random_tensor({2, 9, 48}, 5), dy = random_tensor({2, 9, 48}, 6);
  Training training{.rates = {.feed_forward = 0.3F}, .seed = 7};
  const FeedForward both(Linear(trained), Linear(also_trained), Activation::gelu);
  const Tensor y = both(x, {.training = &training});
  backward(y, dy);
  const Tensor expected = gradient(trained.weight).clone();
  clear_gradient(trained.weight);
  training.drawn = 0;
  const FeedForward half(Linear(trained), Linear(second), Activation::gelu);
  const Tensor same = half(x, {.training = &training});
  expect_same_bits(same, y, "y");
  backward(same, dy);
  expect_same_bits(gradient(trained.weight), expected, "dw");
}

AttentionWeights draw(int64_t width, bool traced) {
  AttentionWeights weights;
  unsigned seed = 0;
  for (LinearWeights* part : {&weights.query, &weights.key, &weights.value, &weights.output}) {
    part->weight = random_tensor({width, width}, ++seed, 0.3F);
    part->bias = random_tensor({width}, ++seed);
    if (!traced) continue;
    part->weight = leaf(part->weight);
    part->bias = leaf(part->bias);
  }
  return weights;
}

TEST(TrainedAttention, ComputesThePackedLayer) {
  const Tensor x = random_tensor({2, 7, 48}, 20), memory = random_tensor({2, 5, 48}, 21);
  for (const AttentionInputs inputs : {AttentionInputs::self, AttentionInputs::memory}) {
    const MultiHeadAttention packed(draw(48, false), 4, inputs), trained(draw(48, true), 4, inputs);
    const bool self = inputs == AttentionInputs::self;
    expect_same_bits(self ? trained(x) : trained(x, memory), self ? packed(x) : packed(x, memory),
                     "y");
  }
}

}  // namespace
}  // namespace heed
