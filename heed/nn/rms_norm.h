#pragma once

#include "heed/nn/params.h"
#include "heed/nn/sum.h"
#include "heed/ops/normalization.h"

namespace heed {

/// Zhang and Sennrich, 2019, over the last dimension; equal to nn.RMSNorm. Weight "weight" [C].
class RmsNorm {
 public:
  RmsNorm() = default;
  RmsNorm(const Params& params, int64_t width, float epsilon)
      : gain_(params.tensor("weight", {width}).to(DType::f32)), epsilon_(epsilon) {}

  /// x [..., C] -> the same shape.
  Tensor operator()(const Tensor& x) const { return rms_norm(x, gain_, epsilon_); }
  /// One that was made from weights.
  explicit operator bool() const { return gain_.defined(); }

 private:
  Tensor gain_;
  float epsilon_ = 1e-6f;
};

}  // namespace heed
