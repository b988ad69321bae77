// The activations on vectors, for activate() and for the product's epilogue; included once for each
// Highway target.
#if defined(HEED_KERNELS_CPU_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ACTIVATION_INL_H_
#undef HEED_KERNELS_CPU_ACTIVATION_INL_H_
#else
#define HEED_KERNELS_CPU_ACTIVATION_INL_H_
#endif

#include "heed/kernels/activation.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

// In Max and Min below the operand that may be NaN comes second: x86 returns it, so NaN stays NaN.

HWY_INLINE FloatVector relu(Floats d, FloatVector x) { return at_least(hn::Zero(d), x); }

/// Phi(-a) = e P / Q with a = |x| and e = e^(-a^2 / 2). P / Q is a minimax fit of
/// erfcx(a / sqrt 2) / 2 on [0, 13.3] (relative error 5.0e-9, all coefficients positive); the
/// exponential is 2^n e^(-r / 2), |r| <= ln 2, by a polynomial (2.0e-9) with the rounding of a^2
/// given back to r.
struct NormalTail {
  FloatVector a, e, p, q;
};

HWY_INLINE NormalTail normal_tail(Floats d, FloatVector x) {
  const hn::RebindToSigned<Floats> di;
  // where a Phi(-a) nears the end of f32's normal numbers; also, inf x 0 must not become NaN
  const FloatVector a = at_most(hn::Set(d, 12.9f), hn::Abs(x));
  const FloatVector square = hn::Mul(a, a);
  const FloatVector lost = hn::MulSub(a, a, square);  // a^2 = square + lost, exactly
  const FloatVector magic = hn::Set(d, 0x1.8p23f);    // as in exp_parts
  const FloatVector shifted = hn::MulAdd(square, hn::Set(d, -0x1.715476p-1f), magic);
  const FloatVector n = hn::Sub(shifted, magic);
  FloatVector r = hn::MulAdd(n, hn::Set(d, 0x1.62e4p0f), square);
  r = hn::Add(hn::MulAdd(n, hn::Set(d, 0x1.7f7d1cp-19f), r), lost);
  FloatVector e = hn::Set(d, 2.16296705617e-5f);
  e = hn::MulAdd(e, r, hn::Set(d, -2.61693120814e-4f));
  e = hn::MulAdd(e, r, hn::Set(d, 2.60425100819e-3f));
  e = hn::MulAdd(e, r, hn::Set(d, -2.08330387858e-2f));
  e = hn::MulAdd(e, r, hn::Set(d, 1.24999985359e-1f));
  e = hn::MulAdd(e, r, hn::Set(d, -5.00000016096e-1f));
  e = hn::MulAdd(e, r, hn::Set(d, 1.0f));
  e = hn::BitCast(d, hn::Add(hn::BitCast(di, e), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
  FloatVector p = hn::Set(d, 4.01896947156e-3f);
  p = hn::MulAdd(p, a, hn::Set(d, 3.99761700748e-2f));
  p = hn::MulAdd(p, a, hn::Set(d, 1.81283313931e-1f));
  p = hn::MulAdd(p, a, hn::Set(d, 4.3565508985e-1f));
  p = hn::MulAdd(p, a, hn::Set(d, 5.00000002464e-1f));
  FloatVector q = hn::Set(d, 1.00739190543e-2f);
  q = hn::MulAdd(q, a, hn::Set(d, 1.00212789355e-1f));
  q = hn::MulAdd(q, a, hn::Set(d, 4.6431833455e-1f));
  q = hn::MulAdd(q, a, hn::Set(d, 1.19438750685f));
  q = hn::MulAdd(q, a, hn::Set(d, 1.6691950964f));
  q = hn::MulAdd(q, a, hn::Set(d, 1.0f));
  return {a, e, p, q};
}

/// x Phi(x) = max(x, 0) - a Phi(-a), a = |x|: no cancellation on either side, so the error is
/// relative even far left, where x/2 (1 + erf(x / sqrt 2)) loses every digit in f32.
HWY_INLINE FloatVector gelu(Floats d, FloatVector x) {
  const NormalTail t = normal_tail(d, x);
  const FloatVector tail = hn::Div(hn::Mul(hn::Mul(t.a, t.p), t.e), t.q);
  return hn::Sub(at_least(hn::Zero(d), x), tail);
}

/// x / (1 + e^-z), with e^-|z| on both sides so that nothing overflows.
HWY_INLINE FloatVector times_sigmoid(Floats d, FloatVector x, FloatVector z) {
  const FloatVector e = exp_of_negative(d, hn::Neg(hn::Abs(z)));
  const FloatVector numerator = hn::IfThenElse(hn::Lt(z, hn::Zero(d)), hn::Mul(x, e), x);
  return hn::Div(numerator, hn::Add(e, hn::Set(d, 1.0f)));
}

HWY_INLINE FloatVector silu(Floats d, FloatVector x) {
  const FloatVector bounded = at_least(hn::Set(d, -100.0f), x);  // -inf x 0 must not become NaN
  return times_sigmoid(d, bounded, bounded);
}

/// x / 2 (1 + tanh u) = x / (1 + e^-2u).
HWY_INLINE FloatVector gelu_tanh(Floats d, FloatVector x) {
  const FloatVector bounded = at_least(hn::Set(d, -100.0f), x);
  const FloatVector square = hn::Mul(bounded, bounded);
  const FloatVector factor =
      hn::MulAdd(square, hn::Set(d, 0x1.2444f2p-4f), hn::Set(d, 0x1.988454p0f));
  return times_sigmoid(d, bounded, hn::Mul(bounded, factor));
}

/// (1 - e^-2a) / (1 + e^-2a), a = |x|, from e^-2a - 1 so that small x keep their digits.
HWY_INLINE FloatVector tanh(Floats d, FloatVector x) {
  const hn::RebindToSigned<Floats> di;
  const FloatVector one = hn::Set(d, 1.0f);
  const FloatVector a = at_most(hn::Set(d, 10.0f), hn::Abs(x));
  const auto parts = exp_parts(d, hn::Mul(a, hn::Set(d, -2.0f)));
  const FloatVector power = hn::BitCast(d, hn::Add(hn::BitCast(di, one), parts.power));
  const FloatVector minus_one = hn::MulAdd(power, parts.minus_one, hn::Sub(power, one));
  const FloatVector y = hn::Div(minus_one, hn::Add(minus_one, hn::Set(d, 2.0f)));
  return hn::CopySign(y, x);
}

HWY_INLINE FloatVector sigmoid(Floats d, FloatVector x) {
  return times_sigmoid(d, hn::Set(d, 1.0f), x);
}

/// Calls f with the vector function of an activation other than none.
template <class F>
HWY_INLINE void with_activation(Activation activation, const F& f) {
  const Floats d;
  switch (activation) {
    case Activation::none:
      return;
    case Activation::relu:
      return f([d](FloatVector x) HWY_ATTR { return relu(d, x); });
    case Activation::gelu:
      return f([d](FloatVector x) HWY_ATTR { return gelu(d, x); });
    case Activation::gelu_tanh:
      return f([d](FloatVector x) HWY_ATTR { return gelu_tanh(d, x); });
    case Activation::silu:
      return f([d](FloatVector x) HWY_ATTR { return silu(d, x); });
    case Activation::tanh:
      return f([d](FloatVector x) HWY_ATTR { return tanh(d, x); });
    case Activation::sigmoid:
      return f([d](FloatVector x) HWY_ATTR { return sigmoid(d, x); });
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
