// Vector building blocks that several sources share; included once for each Highway target.
#if defined(HEED_KERNELS_CPU_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_VECTOR_INL_H_
#undef HEED_KERNELS_CPU_VECTOR_INL_H_
#else
#define HEED_KERNELS_CPU_VECTOR_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;
inline constexpr int64_t kLanes =
    hn::MaxLanes(Floats());  // exact: targets.h leaves out scalable vectors

/// max(x, least) and min(x, most), NaN where x is. (hn::Max and hn::Min give either operand then,
/// as the instruction set has it: x86's give the second.)
HWY_INLINE FloatVector at_least(FloatVector least, FloatVector x) {
#if HWY_ARCH_X86
  return hn::Max(least, x);
#else
  return hn::IfThenElse(hn::Lt(x, least), least, x);
#endif
}
HWY_INLINE FloatVector at_most(FloatVector most, FloatVector x) {
#if HWY_ARCH_X86
  return hn::Min(most, x);
#else
  return hn::IfThenElse(hn::Gt(x, most), most, x);
#endif
}

/// The first n <= kLanes floats at p, the other lanes set to fill; reads no further than p[n -
/// 1].
HWY_INLINE FloatVector load(Floats d, const float* p, int64_t n, float fill = 0.0f) {
  if (n == kLanes) return hn::LoadU(d, p);
  HWY_ALIGN float lanes[kLanes];
  std::fill(std::copy_n(p, n, lanes), lanes + kLanes, fill);
  return hn::Load(d, lanes);
}

/// The first n <= kLanes lanes of v to p.
HWY_INLINE void store(Floats d, FloatVector v, float* p, int64_t n) {
  if (n == kLanes) return hn::StoreU(v, d, p);
  HWY_ALIGN float lanes[kLanes];
  hn::Store(v, d, lanes);
  std::copy_n(lanes, n, p);
}

/// f(i, n) for the vectors of [0, count): n = kLanes but for the last, which may be shorter.
template <class F>
HWY_INLINE void for_vectors(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, kLanes);
  if (i < count) f(i, count - i);
}

/// y[i] = f(x[i]) for i < n, f on vectors; y may be x.
template <class F>
HWY_INLINE void map(const float* x, float* y, int64_t n, const F& f) {
  const Floats d;
  for_vectors(n, [&](int64_t i, int64_t lanes)
                     HWY_ATTR { store(d, f(load(d, x + i, lanes)), y + i, lanes); });
}

/// Sum over the lanes of f(i, n) on the vectors of [0, count), as for_vectors; where n is short f
/// gives zeros in the other lanes. Two chains of additions, joined at the end, in an order that
/// depends on count alone.
template <class F>
HWY_INLINE float sum_vectors(int64_t count, const F& f) {
  const Floats d;
  FloatVector even = hn::Zero(d);
  FloatVector odd = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    even = hn::Add(even, f(i, kLanes));
    odd = hn::Add(odd, f(i + kLanes, kLanes));
  }
  for_vectors(count - i,
              [&](int64_t more, int64_t n) HWY_ATTR { even = hn::Add(even, f(i + more, n)); });
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
