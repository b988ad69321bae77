#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace heed {

/// Element types that checkpoints hold. Heed computes in f32, bf16 and f16; the others are carried.
enum class DType : uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8_e5m2,
  f8_e4m3,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean
};

/// Bytes of one element.
int64_t size_of(DType dtype);
/// "f32", "bf16" and so on: the enumerator's name ("bool" for boolean).
std::string_view to_string(DType dtype);

/// bfloat16: the upper half of an f32.
struct BFloat16 {
  uint16_t bits;
};
/// IEEE binary16.
struct Float16 {
  uint16_t bits;
};

float to_float(BFloat16 value);
float to_float(Float16 value);
/// Round to nearest, ties to even; NaN stays NaN.
BFloat16 to_bfloat16(float value);
Float16 to_float16(float value);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};

}  // namespace heed
