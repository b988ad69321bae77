// bf16 and f16 to f32 vectors and back; included once for each Highway target.
#if defined(HEED_KERNELS_CPU_CONVERT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_CONVERT_INL_H_
#undef HEED_KERNELS_CPU_CONVERT_INL_H_
#else
#define HEED_KERNELS_CPU_CONVERT_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "heed/kernels/cpu/vector-inl.h"
#include "heed/kernels/element.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

/// kLanes numbers of a 16-bit element as f32, exactly.
template <Element kElement>
HWY_INLINE FloatVector widen_vector(const uint16_t* from) {
  const Floats f;
  const hn::Rebind<uint16_t, Floats> half;
  if constexpr (kElement == Element::bf16) {
    const hn::Rebind<uint32_t, Floats> bits;
    return hn::BitCast(f, hn::ShiftLeft<16>(hn::PromoteTo(bits, hn::LoadU(half, from))));
  } else {
    const hn::Rebind<hwy::float16_t, Floats> f16;
    return hn::PromoteTo(f, hn::BitCast(f16, hn::LoadU(half, from)));
  }
}

/// n numbers as f32, exactly.
HWY_INLINE void widen(Element element, const std::byte* from, int64_t n, float* to) {
  const Floats f;
  const auto* halves = reinterpret_cast<const uint16_t*>(from);
  int64_t i = 0;
  if (element == Element::bf16) {
    for (; i + kLanes <= n; i += kLanes) {
      hn::StoreU(widen_vector<Element::bf16>(halves + i), f, to + i);
    }
  } else if (element == Element::f16) {
    for (; i + kLanes <= n; i += kLanes) {
      hn::StoreU(widen_vector<Element::f16>(halves + i), f, to + i);
    }
  }
  for (; i < n; ++i) to[i] = load_element(element, from + i * size_of(element));
}

/// n f32 rounded to nearest, ties to even.
HWY_INLINE void narrow(Element element, const float* from, int64_t n, std::byte* to) {
  for (int64_t i = 0; i < n; ++i) store_element(element, from[i], to + i * size_of(element));
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
