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

/// f32 rounded to bf16, as f32 bits of which the lower half is to be dropped.
HWY_INLINE auto bf16_bits(FloatVector x) {
  const hn::RebindToUnsigned<Floats> w;
  const auto bits = hn::BitCast(w, x);
  const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(w, 1U));
  const auto rounded = hn::Add(bits, hn::Add(even, hn::Set(w, 0x7fffU)));
  const auto quiet = hn::Or(bits, hn::Set(w, 0x400000U));
  return hn::IfThenElse(hn::RebindMask(w, hn::IsNaN(x)), quiet, rounded);
}

/// f32 rounded to bf16, as f32.
HWY_INLINE FloatVector round_to_bf16(FloatVector x) {
  const hn::RebindToUnsigned<Floats> w;
  return hn::BitCast(Floats(), hn::And(bf16_bits(x), hn::Set(w, 0xffff0000U)));
}

/// kLanes f32 to a 16-bit element with store_element's bits.
template <Element kElement>
HWY_INLINE void narrow_vector(FloatVector x, uint16_t* to) {
  const Floats f;
  const hn::Rebind<uint16_t, Floats> half;
  if constexpr (kElement == Element::bf16) {
    hn::StoreU(hn::TruncateTo(half, hn::ShiftRight<16>(bf16_bits(x))), half, to);
  } else {
    const hn::RebindToUnsigned<Floats> w;
    const hn::Rebind<hwy::float16_t, Floats> f16;
    const FloatVector nan = hn::CopySign(hn::BitCast(f, hn::Set(w, 0x7fc00000U)), x);
    const FloatVector known = hn::IfThenElse(hn::IsNaN(x), nan, x);
    hn::StoreU(hn::BitCast(half, hn::DemoteTo(f16, known)), half, to);
  }
}

/// n f32 rounded to nearest, ties to even.
HWY_INLINE void narrow(Element element, const float* from, int64_t n, std::byte* to) {
  const Floats f;
  auto* halves = reinterpret_cast<uint16_t*>(to);
  int64_t i = 0;
  if (element == Element::bf16) {
    for (; i + kLanes <= n; i += kLanes) {
      narrow_vector<Element::bf16>(hn::LoadU(f, from + i), halves + i);
    }
  } else if (element == Element::f16) {
    for (; i + kLanes <= n; i += kLanes) {
      narrow_vector<Element::f16>(hn::LoadU(f, from + i), halves + i);
    }
  }
  for (; i < n; ++i) store_element(element, from[i], to + i * size_of(element));
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
