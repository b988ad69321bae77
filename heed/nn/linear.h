#pragma once

#include <vector>

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

/// y = activation(x W^T + b), equal to nn.Linear; x [..., K] -> [..., N]. Weights that are traced
/// (trained) are kept as they are and get their gradients, others are packed once; a gradient
/// passes on to x either way.
class Linear {
 public:
  Linear() = default;
  explicit Linear(const LinearWeights& weights) : Linear(std::vector<LinearWeights>{weights}) {}
  Linear(const Params& params, int64_t inputs, int64_t outputs, bool with_bias = true)
      : Linear(LinearWeights(params, inputs, outputs, with_bias)) {}
  /// Several over the same x, side by side: N = sum N_i.
  static Linear stacked(const std::vector<LinearWeights>& parts) { return Linear(parts); }

  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const {
    return trained() ? linear(x, weights_, biases_, activation) : product_(x, activation);
  }
  bool trained() const { return !weights_.empty(); }
  /// Of a trained layer that is not stacked.
  LinearWeights trained_weights() const { return {weights_.at(0), biases_.at(0)}; }

 private:
  explicit Linear(const std::vector<LinearWeights>& parts);

  PackedLinear product_;
  std::vector<Tensor> weights_, biases_;  // of a trained layer
};

}  // namespace heed
