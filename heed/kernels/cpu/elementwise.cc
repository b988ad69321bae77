#include "heed/kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/elementwise.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

void add(const float* a, const float* b, float* y, int64_t n) {
  const Floats d;
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    store(d, hn::Add(load(d, a + i, lanes), load(d, b + i, lanes)), y + i, lanes);
  });
}

void multiply(const float* a, const float* b, float* y, int64_t n) {
  const Floats d;
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    store(d, hn::Mul(load(d, a + i, lanes), load(d, b + i, lanes)), y + i, lanes);
  });
}

void scale(const float* a, float factor, float* y, int64_t n) {
  const FloatVector by = hn::Set(Floats(), factor);
  map(a, y, n, [by](FloatVector v) HWY_ATTR { return hn::Mul(v, by); });
}

void widen_bf16(const uint16_t* x, float* y, int64_t n) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> d32;
  const hn::Rebind<uint16_t, Floats> d16;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto wide = hn::PromoteTo(d32, hn::LoadU(d16, x + i));
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(wide)), d, y + i);
  }
  ref::widen_bf16(x + i, y + i, n - i);
}

void widen_f16(const uint16_t* x, float* y, int64_t n) {
  const Floats d;
  const hn::Rebind<uint16_t, Floats> d16;
  const hn::Rebind<hwy::float16_t, Floats> half;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::StoreU(hn::PromoteTo(d, hn::BitCast(half, hn::LoadU(d16, x + i))), d, y + i);
  }
  ref::widen_f16(x + i, y + i, n - i);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void add(const float* a, const float* b, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::add(a, b, y, n);
  HEED_DISPATCH(add)(a, b, y, n);
}

void multiply(const float* a, const float* b, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::multiply(a, b, y, n);
  HEED_DISPATCH(multiply)(a, b, y, n);
}

void scale(const float* a, float factor, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::scale(a, factor, y, n);
  HEED_DISPATCH(scale)(a, factor, y, n);
}

void widen_bf16(const uint16_t* x, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::widen_bf16(x, y, n);
  HEED_DISPATCH(widen_bf16)(x, y, n);
}

void widen_f16(const uint16_t* x, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::widen_f16(x, y, n);
  HEED_DISPATCH(widen_f16)(x, y, n);
}

}  // namespace heed::kernels
#endif
