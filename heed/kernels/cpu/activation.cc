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

}  // namespace heed::kernels
#endif
