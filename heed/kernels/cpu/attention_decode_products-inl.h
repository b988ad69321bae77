// How one query's rows are multiplied: in f32, or as pairs of bf16. Included once for each Highway
// target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_PRODUCTS_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_PRODUCTS_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_PRODUCTS_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "heed/kernels/cpu/attention_decode_rows-inl.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/targets.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// In f32. A head's queries are [D rounded up] floats in places, zeros where none is; keys and
/// values come as pairs of vectors.
template <Element kOf>
struct Widened {
  static constexpr Element kElement = kOf;
  static constexpr int64_t kTogether = 1;  // keys whose values are added at a time
  using Row = Pair;

  static Scale part(float scale) { return {.queries = scale, .scores = 1}; }
  /// Where column i of an output stands.
  static int64_t place(int64_t i) { return place_of(kElement, i); }
  static void pack_query(float x, int64_t d, float* q) { q[place(d)] = x; }
  HWY_INLINE static Row query(const float* q, int64_t d) {
    const Floats f;
    return {hn::Load(f, q + d), hn::Load(f, q + d + kLanes)};
  }
  /// n of kPair elements are there.
  HWY_INLINE static Row key(const std::byte* at, int64_t n) { return load_pair<kElement>(at, n); }
  HWY_INLINE static Vector add(Vector sum, const Row& q, const Row& k) {
    return hn::MulAdd(q.b, k.b, hn::MulAdd(q.a, k.a, sum));
  }

  static void pack_weights(float* /*weights*/, int64_t /*n*/) {}
  /// Of kTogether keys.
  HWY_INLINE static Pair values(const std::byte* const* rows, int64_t offset, int64_t n) {
    return load_pair<kElement>(rows[0] + offset, n);
  }
  HWY_INLINE static Vector weigh(Vector weight, Vector values, Vector sum) {
    return hn::MulAdd(weight, values, sum);
  }
  /// Of one key, as f32 in places.
  HWY_INLINE static Pair value(const std::byte* at, int64_t n) {
    return load_pair<kElement>(at, n);
  }
};

#if HWY_TARGET == HWY_AVX3

/// bf16 by AVX512-BF16's dot product (decision 18): queries and keys lie as they are, 32 elements a
/// vector; values of two keys are interlaced and weighed by two weights, rounded to bf16.
template <class Dots>
struct Paired {
  static constexpr Element kElement = Element::bf16;
  static constexpr int64_t kTogether = 2;
  using Row = Vector;

  static Scale part(float scale) {
    return {.queries = power_in(scale), .scores = scale / power_in(scale)};
  }
  /// Interlacing goes in blocks of 8 elements: four to the first vector, four to the second.
  static int64_t place(int64_t i) {
    return i / kPair * kPair + i % 8 / 4 * kLanes + i % kPair / 8 * 4 + i % 4;
  }
  /// x: a bf16.
  static void pack_query(float x, int64_t d, float* q) {
    const auto bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
    std::memcpy(reinterpret_cast<std::byte*>(q) + d * size_of(kElement), &bits, sizeof(bits));
  }
  HWY_INLINE static Row query(const float* q, int64_t d) { return hn::Load(Floats(), q + d / 2); }
  HWY_INLINE static Row key(const std::byte* at, int64_t n) {
    return hn::BitCast(Floats(), halves(at, n));
  }
  HWY_INLINE static Vector add(Vector sum, Row q, Row k) { return Dots::add(sum, q, k); }

  /// n weights, and a 0 where n is odd, to pairs in their place.
  static void pack_weights(float* weights, int64_t n) {
    const Floats f;
    const hn::RebindToUnsigned<Floats> words;
    std::fill(weights + n, weights + rounded(n), 0.0F);
    for (int64_t i = 0; i < n; i += kPair) {
      Vector even, odd;
      hn::LoadInterleaved2(f, weights + i, even, odd);
      const auto low = hn::ShiftRight<16>(bf16_bits(even));
      const auto high = hn::And(bf16_bits(odd), hn::Set(words, 0xffff0000U));
      hn::Store(hn::BitCast(f, hn::Or(low, high)), f, weights + i / 2);
    }
  }
  HWY_INLINE static Pair values(const std::byte* const* rows, int64_t offset, int64_t n) {
    return interlaced(halves(rows[0] + offset, n), halves(rows[1] + offset, n));
  }
  HWY_INLINE static Vector weigh(Vector weight, Vector values, Vector sum) {
    return Dots::add(sum, weight, values);
  }
  HWY_INLINE static Pair value(const std::byte* at, int64_t n) {
    return interlaced(hn::Zero(Halves()), halves(at, n));
  }

 private:
  using Halves = hn::Repartition<uint16_t, Floats>;

  HWY_INLINE static hn::Vec<Halves> halves(const std::byte* at, int64_t n) {
    WholePair<kElement> whole;
    return hn::LoadU(Halves(), reinterpret_cast<const uint16_t*>(whole.at(at, n)));
  }
  HWY_INLINE static Pair interlaced(hn::Vec<Halves> first, hn::Vec<Halves> second) {
    const Floats f;
    const Halves h;
    return {hn::BitCast(f, hn::InterleaveLower(h, first, second)),
            hn::BitCast(f, hn::InterleaveUpper(h, first, second))};
  }
};

#endif

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
