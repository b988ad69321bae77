#pragma once

#include <cstdint>

namespace heed {

enum class Activation : uint8_t { none, relu, gelu /* erf */, gelu_tanh, silu, tanh, sigmoid };

namespace kernels {

/// y[i] = activation(x[i]) for i < n; y may be x. Formulas: ops/activation.h. No other memory, no
/// threads. An element's bits do not depend on its place nor on n. NaN stays NaN; at -inf all but
/// tanh are 0.
/// Error in units of the result's last place: relu 0; silu and sigmoid 3 (x >= -80; below, 1e-33 at
/// most); tanh 3; gelu 4 for x >= 0, 6 for -12.9 <= x < 0 and 1e-36 at most below (9 roundings of
/// P, Q and the exponential at half an ulp each bound it by 8 x 2^-24 relative; x/2 (1 + erf) in
/// f32 has no correct digit left of -5.5); gelu_tanh 4, to the left 4 + 5 |u| with u the tanh's
/// argument, since e^2u multiplies that argument's rounding by 2 |u|.
void activate(Activation activation, const float* x, float* y, int64_t n);

/// dz[i] = da[i] activation'(z[i]) for i < n, where a = activation(z); dz may be z or da. relu's
/// slope at 0 is 0, and at NaN 1, as PyTorch has it; elsewhere a NaN of z stays NaN. a, unless
/// null, takes activation(z), the bits of activate() (one exponential serves both). No other
/// memory, no threads; an element's bits depend on its z and da alone. Formulas, s the logistic
/// function, Phi and phi the normal distribution and its density:
///   gelu Phi(z) + z phi(z); silu s + z s (1 - s) of s(z); sigmoid s (1 - s); tanh 1 - tanh(z)^2;
///   gelu_tanh s + z 2u' s (1 - s) of s(2u), u = sqrt(2 / pi) (z + 0.044715 z^3).
/// Error, with eps = 2^-24 and `terms` the sum of the sizes of the formula's two terms: none, relu
/// 0; sigmoid and tanh 8 eps |dz|; gelu and silu 8 eps terms |da|; gelu_tanh (8 + 10 |u|) eps terms
/// |da|; besides 1e-33 |da| where an exponential leaves f32's normal numbers.
void activate_backward(Activation activation, const float* z, const float* da, float* dz, int64_t n,
                       float* a = nullptr);

namespace ref {
/// The law of kernels::activate: in f64, rounded once.
void activate(Activation activation, const float* x, float* y, int64_t n);
/// The law of kernels::activate_backward, likewise.
void activate_backward(Activation activation, const float* z, const float* da, float* dz, int64_t n,
                       float* a = nullptr);
}  // namespace ref

}  // namespace kernels
}  // namespace heed
