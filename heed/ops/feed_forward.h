#pragma once

#include "heed/kernels/dropout.h"
#include "heed/ops/activation.h"
#include "heed/tensor/tensor.h"

namespace heed {

using kernels::Dropout;

/// The two layers of a feed-forward network; biases may be absent.
struct FeedForwardWeights {
  Tensor widen;        // [F, C]
  Tensor widen_bias;   // [F]
  Tensor narrow;       // [C, F]
  Tensor narrow_bias;  // [C]
};

/// dropout(activation(x W1^T + b1)) W2^T + b2 on weights as they are (see linear()): x [..., C] ->
/// [..., C]. Element i of the dropped tensor [..., F] is dropped by the dropout's draw i. Records
/// its gradients; kept for backward are x and the sums before the activation, which is computed
/// again.
Tensor feed_forward(const Tensor& x, const FeedForwardWeights& weights, Activation activation,
                    const Dropout& dropout = {});

}  // namespace heed
