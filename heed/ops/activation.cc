#include "heed/ops/activation.h"

#include <array>
#include <string>
#include <utility>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
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

}  // namespace heed
