#include "heed/ops/activation.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/elementwise.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {

Activation activation_from_name(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Activation>, 12> kNames{{
      {"relu", Activation::relu},
      {"gelu", Activation::gelu},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
      {"tanh", Activation::tanh},
      {"sigmoid", Activation::sigmoid},
      {"linear", Activation::none},
      {"identity", Activation::none},
      {"none", Activation::none},
  }};
  std::string known;
  for (const auto& [text, activation] : kNames) {
    if (text == name) return activation;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  throw Error(ErrorCode::unsupported,
              "activation: needed one of " + known + ", found \"" + std::string(name) + "\"");
}

Tensor activate(const Tensor& x, Activation activation) {
  Dims("activate").bind("x", x, "...", DType::f32);
  const Tensor in = x.detach().contiguous();
  const Tensor y = Tensor::empty(x.shape());
  const auto from = in.span<float>();
  float* to = y.data<float>();
  parallel_chunks(y.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    kernels::activate(activation, from.data() + begin, to + begin, end - begin);
  });
  if (!recording({&x})) return y;
  return record(y, {x}, [in, activation](const Tensor& dy, Gradients& gradients) {
    const Tensor dx = Tensor::empty(in.shape());
    parallel_chunks(in.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
      kernels::activate_backward(activation, in.data<float>() + begin, dy.data<float>() + begin,
                                 dx.data<float>() + begin, end - begin);
    });
    gradients.add(0, dx);
  });
}

namespace {

/// dx [..., 2 F] of y = activation(gate) * up, from x = [gate, up] and dy [..., F].
Tensor gated_backward(const Tensor& x, const Tensor& dy, Activation activation) {
  const Tensor dx = Tensor::empty(x.shape());
  const int64_t width = dy.size(-1);
  parallel_rows(dy.numel() / std::max<int64_t>(width, 1), 4 * width,
                [&](int64_t begin, int64_t end) {
                  for (int64_t row = begin; row < end; ++row) {
                    const float* gate = x.data<float>() + 2 * row * width;
                    const float* above = dy.data<float>() + row * width;
                    float* to_gate = dx.data<float>() + 2 * row * width;
                    float* to_up = to_gate + width;
                    kernels::multiply(gate + width, above, to_gate, width);
                    kernels::activate_backward(activation, gate, to_gate, to_gate, width, to_up);
                    kernels::multiply(to_up, above, to_up, width);
                  }
                });
  return dx;
}

}  // namespace

Tensor gated(const Tensor& x, Activation activation) {
  Dims("gated").bind("x", x, "... C", DType::f32);
  if (x.size(-1) % 2 != 0) {
    throw Error(ErrorCode::invalid_argument,
                "gated: the last dimension must hold two equal halves but is " +
                    std::to_string(x.size(-1)));
  }
  const Tensor in = x.detach().contiguous();
  Shape shape = x.shape();
  const int64_t width = shape[-1] /= 2;
  const Tensor y = Tensor::empty(shape);
  parallel_rows(y.numel() / std::max<int64_t>(width, 1), 2 * width,
                [&](int64_t begin, int64_t end) {
                  for (int64_t row = begin; row < end; ++row) {
                    const float* gate = in.data<float>() + 2 * row * width;
                    float* to = y.data<float>() + row * width;
                    kernels::activate(activation, gate, to, width);
                    kernels::multiply(to, gate + width, to, width);
                  }
                });
  if (!recording({&x})) return y;
  return record(y, {x}, [in, activation](const Tensor& dy, Gradients& to) {
    to.add(0, gated_backward(in, dy, activation));
  });
}

}  // namespace heed
