#pragma once

#include "heed/nn/params.h"
#include "heed/ops/linear.h"

namespace heed {

/// A matrix and its bias as a checkpoint names them: "weight" [N, K] and "bias" [N].
struct LinearWeights {
  Tensor weight;
  Tensor bias;  // may be absent

  LinearWeights() = default;
  LinearWeights(Tensor weight_, Tensor bias_)
      : weight(std::move(weight_)), bias(std::move(bias_)) {}
  LinearWeights(const Params& params, int64_t inputs, int64_t outputs, bool with_bias = true)
      : weight(params.tensor("weight", {outputs, inputs})),
        bias(with_bias ? params.tensor("bias", {outputs}) : Tensor()) {}
};

/// y = activation(x W^T + b), equal to nn.Linear; x [..., K] -> [..., N].
class Linear {
 public:
  Linear() = default;
  explicit Linear(const LinearWeights& weights) : product_(weights.weight, weights.bias) {}
  Linear(const Params& params, int64_t inputs, int64_t outputs, bool with_bias = true)
      : Linear(LinearWeights(params, inputs, outputs, with_bias)) {}

  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const {
    return product_(x, activation);
  }

 private:
  PackedLinear product_;
};

}  // namespace heed
