#include "heed/kernels/activation.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/activation.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// s(z) and s(z) (1 - s(z)) from e^-|z|, so that neither side loses digits.
struct Logistic {
  FloatVector s, slope;
};

HWY_INLINE Logistic logistic(Floats d, FloatVector z) {
  const FloatVector one = hn::Set(d, 1.0f);
  const FloatVector e = exp_of_negative(d, hn::Neg(hn::Abs(z)));
  const FloatVector inverse = hn::Div(one, hn::Add(e, one));
  const FloatVector tail = hn::Mul(e, inverse);
  return {hn::IfThenElse(hn::Lt(z, hn::Zero(d)), tail, inverse), hn::Mul(tail, inverse)};
}

HWY_INLINE FloatVector sigmoid_slope(Floats d, FloatVector x) { return logistic(d, x).slope; }

/// Phi(x) + x phi(x).
HWY_INLINE FloatVector gelu_slope(Floats d, FloatVector x) {
  const NormalTail t = normal_tail(d, x);
  const FloatVector tail = hn::Div(hn::Mul(t.p, t.e), t.q);
  const FloatVector below =
      hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.0f), tail));
  const FloatVector density = hn::Mul(t.e, hn::Set(d, 0x1.988454p-2f));  // times sqrt(2 pi)
  return hn::MulAdd(hn::CopySign(t.a, x), density, below);
}

/// d/dx of x s(z) with dz/dx = slope.
HWY_INLINE FloatVector times_sigmoid_slope(Floats d, FloatVector x, FloatVector z,
                                           FloatVector slope) {
  const Logistic of = logistic(d, z);
  return hn::MulAdd(hn::Mul(x, slope), of.slope, of.s);
}

/// |x| <= 100: beyond, the slope is 0 or 1, and inf x 0 must not become NaN.
HWY_INLINE FloatVector within_100(Floats d, FloatVector x) {
  return at_most(hn::Set(d, 100.0f), at_least(hn::Set(d, -100.0f), x));
}

// activate()'s bits, by the logistic function of the same number as the slope: where the two bounds
// differ, beyond 100, e^-|z| is lost beside 1 in both.
HWY_INLINE FloatVector silu_beside_slope(Floats d, FloatVector x) {
  return times_sigmoid(d, at_least(hn::Set(d, -100.0f), x), within_100(d, x));
}

HWY_INLINE FloatVector silu_slope(Floats d, FloatVector x) {
  const FloatVector z = within_100(d, x);
  return times_sigmoid_slope(d, z, z, hn::Set(d, 1.0f));
}

/// 2 sqrt(2 / pi) (z + 0.044715 z^3).
HWY_INLINE FloatVector gelu_tanh_argument(Floats d, FloatVector z) {
  const FloatVector factor =
      hn::MulAdd(hn::Mul(z, z), hn::Set(d, 0x1.2444f2p-4f), hn::Set(d, 0x1.988454p0f));
  return hn::Mul(z, factor);
}

HWY_INLINE FloatVector gelu_tanh_beside_slope(Floats d, FloatVector x) {
  return times_sigmoid(d, at_least(hn::Set(d, -100.0f), x),
                       gelu_tanh_argument(d, within_100(d, x)));
}

HWY_INLINE FloatVector gelu_tanh_slope(Floats d, FloatVector x) {
  const FloatVector z = within_100(d, x);
  const FloatVector slope =
      hn::MulAdd(hn::Mul(z, z), hn::Set(d, 0x1.b6676cp-3f), hn::Set(d, 0x1.988454p0f));
  return times_sigmoid_slope(d, z, gelu_tanh_argument(d, z), slope);
}

/// 1 - tanh(x)^2 = 4 s (1 - s) of s(2x).
HWY_INLINE FloatVector tanh_slope(Floats d, FloatVector x) {
  return hn::Mul(hn::Set(d, 4.0f), logistic(d, hn::Add(x, x)).slope);
}

HWY_INLINE FloatVector relu_slope(Floats d, FloatVector x) {
  return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), hn::Set(d, 1.0f));
}

/// What backward reads and writes.
struct Chain {
  const float *z, *da;
  float *dz, *a;
  int64_t n;

  /// dz = da slope(z); a = value(z) where it is wanted.
  template <class Slope, class Value>
  HWY_INLINE void run(const Slope& slope, const Value& value) const {
    const Floats d;
    for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
      const FloatVector x = load(d, z + i, lanes);
      const FloatVector dx = hn::Mul(load(d, da + i, lanes), slope(d, x));
      if (a != nullptr) store(d, value(d, x), a + i, lanes);
      store(d, dx, dz + i, lanes);
    });
  }
};

#define HEED_OF(f) [](Floats d, FloatVector x) HWY_ATTR { return f(d, x); }

}  // namespace

void activate_backward(Activation activation, const float* z, const float* da, float* dz, int64_t n,
                       float* a) {
  const Chain chain{z, da, dz, a, n};
  switch (activation) {
    case Activation::none:
      if (a != nullptr && a != z) std::copy_n(z, n, a);
      if (da != dz) std::copy_n(da, n, dz);
      return;
    case Activation::relu:
      return chain.run(HEED_OF(relu_slope), HEED_OF(relu));
    case Activation::gelu:
      return chain.run(HEED_OF(gelu_slope), HEED_OF(gelu));
    case Activation::gelu_tanh:
      return chain.run(HEED_OF(gelu_tanh_slope), HEED_OF(gelu_tanh_beside_slope));
    case Activation::silu:
      return chain.run(HEED_OF(silu_slope), HEED_OF(silu_beside_slope));
    case Activation::tanh:
      return chain.run(HEED_OF(tanh_slope), HEED_OF(tanh));
    case Activation::sigmoid:
      return chain.run(HEED_OF(sigmoid_slope), HEED_OF(sigmoid));
  }
}
#undef HEED_OF

void activate(Activation activation, const float* x, float* y, int64_t n) {
  if (activation == Activation::none && x != y) std::copy_n(x, n, y);
  with_activation(activation, [&](const auto& f) HWY_ATTR { map(x, y, n, f); });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void activate(Activation activation, const float* x, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::activate(activation, x, y, n);
  HEED_DISPATCH(activate)(activation, x, y, n);
}

void activate_backward(Activation activation, const float* z, const float* da, float* dz, int64_t n,
                       float* a) {
  if (active_isa() == Isa::reference) return ref::activate_backward(activation, z, da, dz, n, a);
  HEED_DISPATCH(activate_backward)(activation, z, da, dz, n, a);
}

}  // namespace heed::kernels
#endif
