#include "heed/ops/normalization.h"

#include <algorithm>
#include <string>

#include "heed/autograd/accumulate.h"
#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/normalization.h"
#include "heed/kernels/normalization_backward.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

/// A norm's weights as its kernels read them.
struct Weights {
  Tensor gain;
  Tensor bias;  // may be absent
  float epsilon;

  Weights(const Tensor& gain_, const Tensor& bias_, float epsilon_)
      : gain(gain_.detach().contiguous()),
        bias(bias_.defined() ? bias_.detach().contiguous() : Tensor()),
        epsilon(epsilon_) {}
};

using Kernel = void (*)(const kernels::NormRows&);
using BackwardKernel = void (*)(const kernels::NormRowsBackward&);

float* data_or_null(const Tensor& x) { return x.defined() ? x.data<float>() : nullptr; }

/// y [..., C] from contiguous x [..., C] and, where defined, a residual that is added first and a
/// place for that sum; rows spread over the threads.
Tensor normalize(Kernel kernel, const Weights& weights, const Tensor& x,
                 const Tensor& residual = {}, const Tensor& sum = {}) {
  const Tensor y = Tensor::empty(x.shape());
  const int64_t width = x.size(-1);
  if (y.numel() == 0) return y;
  const kernels::NormRows all{.x = x.data<float>(),
                              .residual = data_or_null(residual),
                              .sum = data_or_null(sum),
                              .gain = weights.gain.data<float>(),
                              .bias = data_or_null(weights.bias),
                              .epsilon = weights.epsilon,
                              .y = y.data<float>(),
                              .rows = y.numel() / width,
                              .width = width};
  parallel_rows(all.rows, width, [&](int64_t begin, int64_t end) {
    kernels::NormRows rows = all;
    rows.x += begin * width;
    if (rows.residual != nullptr) rows.residual += begin * width;
    if (rows.sum != nullptr) rows.sum += begin * width;
    rows.y += begin * width;
    rows.rows = end - begin;
    kernel(rows);
  });
  return y;
}

struct NormGradients {
  Tensor dx;     // [..., C]
  Tensor dgain;  // [C]
  Tensor dbias;  // [C]
};

/// Those that are wanted. Rows are summed in parts that their number and width alone decide, then
/// part by part.
NormGradients normalize_backward(BackwardKernel kernel, const Weights& weights, const Tensor& x,
                                 const Tensor& dy, bool want_dx, bool want_dgain, bool want_dbias) {
  constexpr int64_t kMostParts = 64;
  const int64_t width = x.size(-1);
  const int64_t rows = x.numel() / std::max<int64_t>(width, 1);
  const int64_t together =
      std::max((rows + kMostParts - 1) / kMostParts,
               std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(width, 1)));
  const int64_t parts = (rows + together - 1) / together;
  const auto part_sums = [&](bool wanted) {
    return wanted ? Tensor::zeros({parts, width}) : Tensor();
  };
  NormGradients found{want_dx ? Tensor::empty(x.shape()) : Tensor(), {}, {}};
  const Tensor gains = part_sums(want_dgain), biases = part_sums(want_dbias);
  const auto at = [](const Tensor& tensor, int64_t offset) {
    return tensor.defined() ? tensor.data<float>() + offset : nullptr;
  };
  parallel_for(parts, [&](int64_t part, int) {
    const int64_t first = part * together;
    kernel({.x = at(x, first * width),
            .dy = at(dy, first * width),
            .gain = weights.gain.data<float>(),
            .epsilon = weights.epsilon,
            .dx = at(found.dx, first * width),
            .dgain = at(gains, part * width),
            .dbias = at(biases, part * width),
            .rows = std::min(together, rows - first),
            .width = width});
  });
  const auto total = [&](const Tensor& sums) {
    if (!sums.defined()) return Tensor();
    const Tensor result = Tensor::zeros({width});
    accumulate(result.expand(sums.shape()), sums);
    return result;
  };
  found.dgain = total(gains);
  found.dbias = total(biases);
  return found;
}

/// y, recorded: the first inputs are what was added up to x, then gain and bias.
Tensor recorded(const Tensor& y, std::vector<Tensor> inputs, const Tensor& gain, const Tensor& bias,
                BackwardKernel kernel, const Weights& weights, const Tensor& x) {
  const size_t terms = inputs.size();
  inputs.push_back(gain);
  inputs.push_back(bias);
  return record(y, inputs, [=](const Tensor& dy, Gradients& to) {
    const bool want_dx = to.wants(0) || (terms == 2 && to.wants(1));
    const NormGradients found =
        normalize_backward(kernel, weights, x, dy, want_dx, to.wants(terms), to.wants(terms + 1));
    for (size_t i = 0; i < terms && want_dx; ++i) to.add(i, found.dx);
    if (found.dgain.defined()) to.add(terms, found.dgain);
    if (found.dbias.defined()) to.add(terms + 1, found.dbias);
  });
}

/// kernel(first element, rows, width) for runs of y's rows, over the threads.
template <class F>
void for_rows(const Tensor& y, const F& kernel) {
  if (y.numel() == 0) return;
  const int64_t width = y.size(-1);
  parallel_rows(y.numel() / width, width,
                [&](int64_t begin, int64_t end) { kernel(begin * width, end - begin, width); });
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
  const Weights weights(gain, bias, epsilon);
  const Tensor in = x.detach().contiguous();
  const Tensor y = normalize(kernels::layer_norm, weights, in);
  if (!recording({&x, &gain, &bias})) return y;
  return recorded(y, {x}, gain, bias, kernels::layer_norm_backward, weights, in);
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
  const Weights weights(gain, bias, epsilon);
  const bool records = recording({&x, &residual, &gain, &bias});
  const Tensor sum = records ? Tensor::empty(x.shape()) : Tensor();
  const Tensor y = normalize(kernels::layer_norm, weights, x.detach().contiguous(),
                             residual.detach().contiguous(), sum);
  if (!records) return y;
  return recorded(y, {x, residual}, gain, bias, kernels::layer_norm_backward, weights, sum);
}

Tensor rms_norm(const Tensor& x, const Tensor& gain, float epsilon) {
  check("rms_norm", x, gain, Tensor());
  const Weights weights(gain, Tensor(), epsilon);
  const Tensor in = x.detach().contiguous();
  const Tensor y = normalize(kernels::rms_norm, weights, in);
  if (!recording({&x, &gain})) return y;
  return recorded(y, {x}, gain, Tensor(), kernels::rms_norm_backward, weights, in);
}

Tensor softmax(const Tensor& x) {
  Dims("softmax").bind("x", x, "... C", DType::f32);
  const Tensor in = x.detach().contiguous();
  const Tensor y = Tensor::empty(x.shape());
  for_rows(y, [&](int64_t at, int64_t rows, int64_t width) {
    kernels::softmax(in.data<float>() + at, y.data<float>() + at, rows, width);
  });
  if (!recording({&x})) return y;
  return record(y, {x}, [y](const Tensor& dy, Gradients& to) {
    const Tensor dx = Tensor::empty(y.shape());
    for_rows(y, [&](int64_t at, int64_t rows, int64_t width) {
      kernels::softmax_backward(y.data<float>() + at, dy.data<float>() + at, dx.data<float>() + at,
                                rows, width);
    });
    to.add(0, dx);
  });
}

}  // namespace heed
