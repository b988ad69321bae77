#pragma once

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

}  // namespace heed
