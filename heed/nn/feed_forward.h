#pragma once

#include <vector>

#include "heed/nn/linear.h"
#include "heed/nn/run.h"

namespace heed {

/// FFN(x) = activation(x W1^T + b1) W2^T + b2 ("Attention Is All You Need", eq. 2): each token by
/// itself, C -> F -> C. The activation is computed in the first product.
class FeedForward {
 public:
  FeedForward() = default;
  FeedForward(Linear widen, Linear narrow, Activation activation)
      : widen_(std::move(widen)), narrow_(std::move(narrow)), activation_(activation) {}

  /// x [..., C] -> [..., C].
  Tensor operator()(const Tensor& x, const Run& run = {}) const;

 private:
  Linear widen_;
  Linear narrow_;
  Activation activation_ = Activation::relu;
};

/// (activation(x W_g^T) * x W_u^T) W_d^T (Shazeer, 2020, eq. 6; Llama's with silu): C -> F -> C.
class GatedFeedForward {
 public:
  GatedFeedForward() = default;
  /// gate_and_up: two matrices [F, C], or one [2 F, C] that has the gate's rows first.
  GatedFeedForward(const std::vector<LinearWeights>& gate_and_up, const LinearWeights& down,
                   Activation activation)
      : gate_and_up_(Linear::stacked(gate_and_up)), down_(down), activation_(activation) {}

  /// x [..., C] -> [..., C].
  Tensor operator()(const Tensor& x, const Run& run = {}) const;

 private:
  Linear gate_and_up_;
  Linear down_;
  Activation activation_ = Activation::silu;
};

}  // namespace heed
