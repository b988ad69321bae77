#include "heed/ops/linear_gradient.h"

#include <algorithm>
#include <string>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/ops/chunks.h"
#include "heed/ops/linear.h"
#include "heed/ops/product.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace internal {

int64_t check_weights(const std::vector<Tensor>& weights, const std::vector<Tensor>& biases) {
  if (weights.empty() || biases.size() != weights.size()) {
    throw Error(ErrorCode::invalid_argument,
                "linear: needed weights and as many biases (absent ones as empty tensors), found " +
                    std::to_string(weights.size()) + " and " + std::to_string(biases.size()));
  }
  int64_t outputs = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    Dims dims("linear");
    dims.bind("weight 0", weights[0], "O K");  // what the others must agree with
    dims.bind("weight " + std::to_string(i), weights[i], "N K");
    if (biases[i].defined()) dims.bind("bias", biases[i], "N");
    outputs += dims['N'];
  }
  return outputs;
}

void check_input(const Tensor& x, int64_t inputs) {
  Dims("linear").bind("x", x, "... K", DType::f32);
  if (x.size(-1) == inputs) return;
  throw Error(ErrorCode::invalid_argument, "linear: x must be [..., K=" + std::to_string(inputs) +
                                               "] but is " + to_string(x.shape()) + "; K is " +
                                               std::to_string(inputs) + " in the weights");
}

Layer::Layer(const Tensor& weight_, const Tensor& bias_)
    : weight(with_unit_stride(weight_.detach())),
      bias(bias_.defined() ? bias_.detach().to(DType::f32).contiguous() : Tensor()) {}

Columns columns_of(const Tensor& x, int64_t first) {
  const int64_t width = x.size(-1);
  return {x.data<float>() + first, width, width == 0 ? 0 : x.numel() / width};
}

void project(const Layer& layer, const Columns& x, const Columns& sums, Activation activation,
             float* y) {
  multiply({.a = {x.data, x.stride, 1},
            .b = transposed(operand(layer.weight)),
            .c = sums.data,
            .c_stride = sums.stride,
            .rows = sums.rows,
            .columns = layer.outputs(),
            .depth = layer.inputs(),
            .precision = layer.precision,
            .bias = layer.bias.defined() ? layer.bias.data<float>() : nullptr,
            .activation = activation,
            .activated = activation == Activation::none ? nullptr : y,
            .scratch = nullptr});
}

void project_back(const Layer& layer, const Columns& dy, const Columns& dx, bool accumulate) {
  multiply({.a = {dy.data, dy.stride, 1},
            .b = operand(layer.weight),
            .c = dx.data,
            .c_stride = dx.stride,
            .rows = dx.rows,
            .columns = layer.inputs(),
            .depth = layer.outputs(),
            .precision = layer.precision,
            .accumulate = accumulate,
            .scratch = nullptr});
}

Tensor weight_gradient(const Layer& layer, const Columns& dy, const Columns& x) {
  const Tensor dw = empty_laid_out_as(layer.weight);
  add_weight_gradient(layer, dy, x, dw, false);
  return dw;
}

void add_weight_gradient(const Layer& layer, const Columns& dy, const Columns& x, const Tensor& dw,
                         bool accumulate) {
  const kernels::Operand above{dy.data, 1, dy.stride}, below{x.data, x.stride, 1};
  const bool along = dw.stride(1) == 1;  // else its transpose is computed
  multiply({.a = along ? above : transposed(below),
            .b = along ? below : transposed(above),
            .c = dw.data<float>(),
            .c_stride = dw.stride(along ? 0 : 1),
            .rows = dw.size(along ? 0 : 1),
            .columns = dw.size(along ? 1 : 0),
            .depth = x.rows,
            .precision = layer.precision,
            .accumulate = accumulate,
            .scratch = nullptr});
}

Tensor bias_gradient(const Layer& layer, const Columns& dy) {
  return sum_rows(dy.data, dy.stride, dy.rows, layer.outputs());
}

void sums_gradient(const Tensor& sums, const Tensor& da, Activation activation, const Tensor& dz,
                   const Tensor& activated) {
  const float *z = sums.data<float>(), *above = da.data<float>();
  float* const to = dz.data<float>();
  float* const a = activated ? activated.data<float>() : nullptr;
  parallel_chunks(dz.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    kernels::activate_backward(activation, z + begin, above + begin, to + begin, end - begin,
                               a == nullptr ? nullptr : a + begin);
  });
}

Tensor record_fixed(const Tensor& x, const Tensor& sums, Activation activation,
                    const std::function<Tensor()>& unpacked) {
  const auto backward = [unpacked, shape = x.shape()](const Tensor& dy, Gradients& to) {
    const Tensor dx = Tensor::empty(shape);
    project_back({unpacked(), Tensor()}, columns_of(dy), columns_of(dx));
    to.add(0, dx);
  };
  const Tensor recorded = record(sums, {x}, backward);
  return activation == Activation::none ? recorded : activate(recorded, activation);
}

}  // namespace internal

namespace {

using namespace internal;

/// What backward of linear() needs, and where its gradients go: inputs are x, weights, biases.
struct Step {
  std::vector<Layer> layers;
  Tensor x;     // undefined where no weight needs a gradient
  Tensor sums;  // undefined without an activation
  Activation activation;
  Shape shape;  // of x

  void operator()(const Tensor& dy, Gradients& to) const {
    const Tensor dz = sums.defined() ? Tensor::empty(sums.shape()) : dy;
    if (sums.defined()) sums_gradient(sums, dy, activation, dz);
    const Tensor dx = to.wants(0) ? Tensor::empty(shape) : Tensor();
    int64_t first = 0;
    for (size_t i = 0; i < layers.size(); ++i) {
      const Layer& layer = layers[i];
      const Columns part = columns_of(dz, first);
      const size_t weight = 1 + i, bias = 1 + layers.size() + i;
      if (to.wants(weight)) to.add(weight, weight_gradient(layer, part, columns_of(x)));
      if (to.wants(bias)) to.add(bias, bias_gradient(layer, part));
      if (dx.defined()) project_back(layer, part, columns_of(dx), i > 0);
      first += layer.outputs();
    }
    if (dx.defined()) to.add(0, dx);
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation) {
  return linear(x, std::vector<Tensor>{weight}, std::vector<Tensor>{bias}, activation);
}

Tensor linear(const Tensor& x, const std::vector<Tensor>& weights,
              const std::vector<Tensor>& biases, Activation activation) {
  const int64_t outputs = check_weights(weights, biases);
  check_input(x, weights[0].size(1));
  Shape shape = x.shape();
  shape[-1] = outputs;
  std::vector<Tensor> inputs{x.contiguous()};
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  inputs.insert(inputs.end(), biases.begin(), biases.end());
  const bool recorded = recording(inputs);
  const bool activated = activation != Activation::none;
  const Tensor y = Tensor::empty(shape);
  const Tensor sums = recorded && activated ? Tensor::empty(shape) : y;
  Step step{.layers = {},
            .x = inputs[0].detach(),
            .sums = {},
            .activation = activation,
            .shape = x.shape()};
  int64_t first = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const Layer& layer = step.layers.emplace_back(weights[i], biases[i]);
    project(layer, columns_of(step.x), columns_of(sums, first), activation,
            y.data<float>() + first);
    first += layer.outputs();
  }
  if (!recorded) return y;
  if (activated) step.sums = sums;
  if (std::ranges::none_of(weights, &Tensor::traced)) step.x = Tensor();
  return record(y, inputs, std::move(step));
}

}  // namespace heed
