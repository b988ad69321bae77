#pragma once

#include <string_view>

#include "heed/kernels/activation.h"  // enum class Activation
#include "heed/tensor/tensor.h"

namespace heed {

/// By the names config.json uses: relu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish,
/// tanh, sigmoid, linear/identity. Error unsupported lists them.
Activation activation_from_name(std::string_view name);

/// Elementwise on f32, any shape; a new contiguous tensor.
/// gelu(x) = x/2 (1 + erf(x / sqrt 2)); gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715
/// x^3))) (Hendrycks and Gimpel, 2016).
Tensor activate(const Tensor& x, Activation activation);

/// activation(gate) * up of x = [gate, up] side by side: [..., 2 F] -> [..., F] f32 ("GLU variants
/// improve Transformer", Shazeer, 2020; SwiGLU with silu). Records its gradient; kept for backward
/// is x.
Tensor gated(const Tensor& x, Activation activation);

}  // namespace heed
