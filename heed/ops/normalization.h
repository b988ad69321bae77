#pragma once

#include "heed/tensor/tensor.h"

namespace heed {

/// y = (x - mean) / sqrt(variance + epsilon) * gain + bias over the last dimension (Ba et al.,
/// 2016, biased variance). x [..., C] f32; gain [C]; bias [C] or absent.
Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, float epsilon);
/// layer_norm(x + residual), one pass.
Tensor add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& gain,
                      const Tensor& bias, float epsilon);
/// y = x / sqrt(mean(x^2) + epsilon) * gain (Zhang and Sennrich, 2019). x [..., C]; gain [C].
Tensor rms_norm(const Tensor& x, const Tensor& gain, float epsilon);
/// Softmax over the last dimension, any finite or -inf input; a row of only -inf gives zeros. x
/// [..., C] f32.
Tensor softmax(const Tensor& x);

}  // namespace heed
