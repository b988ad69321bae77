#pragma once

#include <bit>
#include <cstdint>

namespace heed::kernels {

/// How an array stores its numbers; kernels compute in f32 whatever it is.
enum class Element : uint8_t { f32, bf16, f16 };

constexpr int64_t size_of(Element element) { return element == Element::f32 ? 4 : 2; }

/// One stored number as f32, exactly.
inline float load_element(Element element, const void* at) {
  if (element == Element::f32) return *static_cast<const float*>(at);
  const uint32_t bits = *static_cast<const uint16_t*>(at);
  if (element == Element::bf16) return std::bit_cast<float>(bits << 16);
  const uint32_t sign = (bits & 0x8000U) << 16;
  const uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00U) {  // infinity, NaN
    return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13);
  }
  // Exponents differ by 112; multiplying puts subnormal numbers right too.
  return std::bit_cast<float>(
      sign | std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112F));
}

/// Stores x rounded to nearest, ties to even; NaN stays NaN.
inline void store_element(Element element, float x, void* at) {
  if (element == Element::f32) {
    *static_cast<float*>(at) = x;
    return;
  }
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7fffffffU;
  auto& to = *static_cast<uint16_t*>(at);
  if (element == Element::bf16) {
    const uint32_t rounded = bits + 0x7fffU + (bits >> 16 & 1U);
    to = static_cast<uint16_t>((magnitude > 0x7f800000U ? bits | 0x400000U : rounded) >> 16);
    return;
  }
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
  const auto with_sign = [&](uint32_t half) { to = static_cast<uint16_t>(sign | half); };
  if (magnitude > 0x7f800000U) return with_sign(0x7e00U);
  if (magnitude >= 0x477ff000U) return with_sign(0x7c00U);  // rounds to 65,536 or more
  if (magnitude < 0x38800000U) {  // subnormal: adding 0.5 does the rounding
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return with_sign(std::bit_cast<uint32_t>(shifted) - 0x3f000000U);
  }
  with_sign((magnitude - 0x38000000U + 0xfffU + (magnitude >> 13 & 1U)) >> 13);
}

}  // namespace heed::kernels
