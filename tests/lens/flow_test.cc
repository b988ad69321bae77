#include "heed/lens/flow.h"

#include <gtest/gtest.h>

#include "heed/base/random.h"
#include "tests/expect_error.h"

namespace heed {
namespace {

// [1, 1, 2, 2] twice: A = (W + I) / 2 is [.75 .25; .5 .5], then [1 0; .25 .75].
Tensor two_layers() {
  return Tensor::from({0.5f, 0.5f, 1.0f, 0.0f, 1.0f, 0.0f, 0.5f, 0.5f}, {2, 1, 2, 2});
}

Tensor random_weights(const Shape& shape) {
  TorchRandom random(3);
  const Tensor out = Tensor::empty(shape);
  random.rand(out.span<float>());
  const int64_t keys = shape[-1];
  for (size_t begin = 0; begin < out.span<float>().size(); begin += static_cast<size_t>(keys)) {
    const auto row = out.span<float>().subspan(begin, static_cast<size_t>(keys));
    float sum = 0;
    for (const float value : row) sum += value;
    for (float& value : row) value /= sum;
  }
  return out;
}

TEST(Flow, RolloutMultipliesTheLayers) {
  const Tensor rollout = attention_rollout(two_layers());
  ASSERT_EQ(rollout.shape(), (Shape{2, 2, 2}));
  const float expected[] = {0.75f, 0.25f, 0.5f,    0.5f,      // layer 0
                            0.75f, 0.25f, 0.5625f, 0.4375f};  // [1 0; .25 .75] x it
  for (size_t i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(rollout.span<float>()[i], expected[i]) << i;
}

TEST(Flow, RolloutAveragesHeadsAndKeepsRowsWhole) {
  const Tensor rollout = attention_rollout(random_weights({3, 2, 7, 7}));
  for (int64_t l = 0; l < 3; ++l) {
    for (int64_t t = 0; t < 7; ++t) {
      float sum = 0;
      for (int64_t s = 0; s < 7; ++s) sum += rollout.at({l, t, s});
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
}

// By hand. From token 1: .25 goes through token 0 (of which .75 may go on to token 0 and .25 to
// token 1) and .75 through token 1 (at most .5 to each).
TEST(Flow, FlowIsTheLeastCut) {
  const Tensor of_one = attention_flow(two_layers(), 1);
  EXPECT_NEAR(of_one.at({0}), 0.25 + 0.5, 1e-6);
  EXPECT_NEAR(of_one.at({1}), 0.25 + 0.5, 1e-6);
  const Tensor of_zero = attention_flow(two_layers(), 0);
  EXPECT_NEAR(of_zero.at({0}), 0.75, 1e-6);
  EXPECT_NEAR(of_zero.at({1}), 0.25, 1e-6);
}

// One layer: the flow is the edge. More layers: at least as much as the rollout of the same graph
// (every path's product is a flow that all edges can carry at once), at most 1.
TEST(Flow, FlowIsBetweenRolloutAndAll) {
  const Tensor weights = random_weights({3, 2, 9, 9});
  const Tensor one = weights.slice(0, 0, 1);
  const Tensor rollout = attention_rollout(weights);
  for (int64_t from = 0; from < 9; ++from) {
    const Tensor flow = attention_flow(weights, from);
    const Tensor edge = attention_flow(one, from);
    for (int64_t to = 0; to < 9; ++to) {
      EXPECT_GE(flow.at({to}), rollout.at({2, from, to}) - 1e-5f);
      EXPECT_LE(flow.at({to}), 1 + 1e-5f);
      EXPECT_NEAR(edge.at({to}), rollout.at({0, from, to}), 1e-6);
    }
  }
}

TEST(Flow, RefusesWhatItCannotDo) {
  expect_error(ErrorCode::invalid_argument, {"token from 0 to 1", "found 2"},
               [] { attention_flow(two_layers(), 2); });
  expect_error(ErrorCode::invalid_argument, {"at most 256 tokens", "rollout"}, [] {
    attention_flow(Tensor::zeros({1, 1, 257, 257}), 0);
  });
}

}  // namespace
}  // namespace heed
