#pragma once

#include "heed/nn/params.h"
#include "heed/nn/sum.h"
#include "heed/ops/normalization.h"

namespace heed {

/// Ba et al., 2016, over the last dimension; equal to nn.LayerNorm. Weights "weight" and "bias" [C]
/// ("gamma" and "beta" in checkpoints that TensorFlow wrote).
class LayerNorm {
 public:
  LayerNorm() = default;
  LayerNorm(const Params& params, int64_t width, float epsilon, bool with_bias = true)
      : epsilon_(epsilon) {
    const bool old_names = params.contains("gamma");
    gain_ = params.tensor(old_names ? "gamma" : "weight", {width}).to(DType::f32);
    if (with_bias) bias_ = params.tensor(old_names ? "beta" : "bias", {width}).to(DType::f32);
  }

  /// x [..., C] -> the same shape.
  Tensor operator()(const Tensor& x) const { return layer_norm(x, gain_, bias_, epsilon_); }
  /// The same of a sum that need not be computed first (but where its sides broadcast).
  Tensor operator()(const Sum& sum) const {
    if (!(sum.x.shape() == sum.y.shape())) return (*this)(Tensor(sum));
    return add_layer_norm(sum.x, sum.y, gain_, bias_, epsilon_);
  }

 private:
  Tensor gain_;
  Tensor bias_;
  float epsilon_ = 1e-5f;
};

}  // namespace heed
