#pragma once

#include <cstdint>

namespace heed {

enum class Activation : uint8_t { none, relu, gelu /* erf */, gelu_tanh, silu, tanh };

namespace kernels {

/// y[i] = activation(x[i]) for i < n; y may be x. Formulas: ops/activation.h. No other memory, no
/// threads. Numerics: an element's bits do not depend on its place or on n. Error against the exact
/// function, measured over every f32 (tests/kernels/activation_test.cc): gelu 3 ulp, silu and
/// gelu_tanh 4 ulp, tanh 4 ulp where the result is normal; relu exact; NaN stays NaN.
void activate(Activation activation, const float* x, float* y, int64_t n);

namespace ref {
/// The law of kernels::activate: in f64, rounded once.
void activate(Activation activation, const float* x, float* y, int64_t n);
}  // namespace ref

}  // namespace kernels
}  // namespace heed
