#include "heed/ops/normalization.h"

#include <string>

#include "heed/base/error.h"
#include "heed/kernels/normalization.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

using Kernel = void (*)(const kernels::NormRows&);

/// y [..., C] from x [..., C] and what the row kernel needs beside it, rows spread over the
/// threads.
Tensor normalize(Kernel kernel, const Tensor& x, const Tensor& residual, const Tensor& gain,
                 const Tensor& bias, float epsilon) {
  const Tensor in = x.contiguous();
  const Tensor with = residual.defined() ? residual.contiguous() : Tensor();
  const Tensor gains = gain.contiguous();
  const Tensor biases = bias.defined() ? bias.contiguous() : Tensor();
  const Tensor y = Tensor::empty(x.shape());
  const int64_t width = x.size(-1);
  if (y.numel() == 0) return y;
  kernels::NormRows all{.x = in.data<float>(),
                        .residual = with.defined() ? with.data<float>() : nullptr,
                        .gain = gains.data<float>(),
                        .bias = biases.defined() ? biases.data<float>() : nullptr,
                        .epsilon = epsilon,
                        .y = y.data<float>(),
                        .rows = y.numel() / width,
                        .width = width};
  parallel_rows(all.rows, width, [&](int64_t begin, int64_t end) {
    kernels::NormRows rows = all;
    rows.x += begin * width;
    if (rows.residual != nullptr) rows.residual += begin * width;
    rows.y += begin * width;
    rows.rows = end - begin;
    kernel(rows);
  });
  return y;
}

Dims check(std::string_view operation, const Tensor& x, const Tensor& gain, const Tensor& bias) {
  Dims dims(operation);
  dims.bind("x", x, "... C", DType::f32).bind("gain", gain, "C", DType::f32);
  if (bias.defined()) dims.bind("bias", bias, "C", DType::f32);
  return dims;
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, float epsilon) {
  check("layer_norm", x, gain, bias);
  return normalize(kernels::layer_norm, x, Tensor(), gain, bias, epsilon);
}

Tensor add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& gain,
                      const Tensor& bias, float epsilon) {
  Dims dims = check("add_layer_norm", x, gain, bias);
  dims.bind("residual", residual, "... C", DType::f32);
  if (!(residual.shape() == x.shape())) {
    throw Error(ErrorCode::invalid_argument, "add_layer_norm: residual must be " +
                                                 to_string(x.shape()) + " as x but is " +
                                                 to_string(residual.shape()));
  }
  return normalize(kernels::layer_norm, x, residual, gain, bias, epsilon);
}

Tensor rms_norm(const Tensor& x, const Tensor& gain, float epsilon) {
  check("rms_norm", x, gain, Tensor());
  return normalize(kernels::rms_norm, x, Tensor(), gain, Tensor(), epsilon);
}

Tensor softmax(const Tensor& x) {
  Dims("softmax").bind("x", x, "... C", DType::f32);
  const Tensor in = x.contiguous();
  const Tensor y = Tensor::empty(x.shape());
  if (y.numel() == 0) return y;
  const int64_t width = x.size(-1);
  const float* from = in.data<float>();
  float* to = y.data<float>();
  parallel_rows(y.numel() / width, width, [&](int64_t begin, int64_t end) {
    kernels::softmax(from + begin * width, to + begin * width, end - begin, width);
  });
  return y;
}

}  // namespace heed
