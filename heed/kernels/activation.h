#pragma once

#include <cstdint>

namespace heed {

enum class Activation : uint8_t { none, relu, gelu /* erf */, gelu_tanh, silu, tanh };

namespace kernels {

/// y[i] = activation(x[i]) for i < n; y may be x. Formulas: ops/activation.h. No other memory, no
/// threads. An element's bits do not depend on its place nor on n. NaN stays NaN; at -inf all but
/// tanh are 0.
/// Error in units of the result's last place: relu 0; silu 3 (x >= -80; below, 1e-33 at most); tanh
/// 3; gelu 4 for x >= 0, 6 for -12.9 <= x < 0 and 1e-36 at most below (9 roundings of P, Q and the
/// exponential at half an ulp each bound it by 8 x 2^-24 relative; x/2 (1 + erf) in f32 has no
/// correct digit left of -5.5); gelu_tanh 4, to the left 4 + 5 |u| with u the tanh's argument,
/// since e^2u multiplies that argument's rounding by 2 |u|.
void activate(Activation activation, const float* x, float* y, int64_t n);

namespace ref {
/// The law of kernels::activate: in f64, rounded once.
void activate(Activation activation, const float* x, float* y, int64_t n);
}  // namespace ref

}  // namespace kernels
}  // namespace heed
