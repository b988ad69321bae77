// The exponential of a non-positive argument, for softmax and the activations; included once for
// each Highway target.
#if defined(HEED_KERNELS_CPU_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_EXP_INL_H_
#undef HEED_KERNELS_CPU_EXP_INL_H_
#else
#define HEED_KERNELS_CPU_EXP_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

/// e^x = 2^power (1 + minus_one): power as f32 exponent bits (n << 23), minus_one = e^r - 1 with
/// |r|
/// <= ln(2) / 2.
template <class V, class VI>
struct ExpParts {
  V minus_one;
  VI power;
};

/// For x in [-87, 0] (elsewhere garbage, except that NaN gives NaN in minus_one). minus_one is the
/// polynomial r + r^2 q(r), q of degree 4 fitted to e^r with relative error 3.1e-9 (tools: Lawson's
/// reweighted least squares).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE auto exp_parts(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  // adding 1.5 x 2^23 leaves round(x / ln 2) in the low bits of the sum
  const V magic = hn::Set(d, 0x1.8p23f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 0x1.715476p0f), magic);
  const V n = hn::Sub(shifted, magic);
  V r = hn::NegMulAdd(n, hn::Set(d, 0x1.62e4p-1f), x);  // ln 2 in two parts: n x the first is exact
  r = hn::NegMulAdd(n, hn::Set(d, 0x1.7f7d1cp-20f), r);
  V q = hn::Set(d, 1.38148026885e-3f);
  q = hn::MulAdd(q, r, hn::Set(d, 8.3687735912e-3f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.16683893293e-2f));
  q = hn::MulAdd(q, r, hn::Set(d, 1.66665201707e-1f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.99999934226e-1f));
  const auto power = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return ExpParts<V, hn::Vec<hn::RebindToSigned<D>>>{hn::MulAdd(hn::Mul(r, r), q, r), power};
}

/// e^x for x <= 0 or NaN: at most 1 ulp off (measured over every such f32: 0.90); exactly 0 below
/// -87 (where f32's normal numbers end), NaN for NaN.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp_of_negative(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  const auto parts = exp_parts(d, x);
  const V mantissa = hn::Add(parts.minus_one, hn::Set(d, 1.0f));
  const V e = hn::BitCast(d, hn::Add(hn::BitCast(di, mantissa), parts.power));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0f)), e);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
