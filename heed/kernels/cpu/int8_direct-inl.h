// The product of one row of bytes with weights that are unpacked in registers: what counts is how
// fast they come from memory. For AVX-512 with VNNI alone. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_INT8_DIRECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_INT8_DIRECT_INL_H_
#undef HEED_KERNELS_CPU_INT8_DIRECT_INL_H_
#else
#define HEED_KERNELS_CPU_INT8_DIRECT_INL_H_
#endif

#include "heed/kernels/cpu/int8_dot-inl.h"
#include "heed/kernels/cpu/int8_panel-inl.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace int8 {

using Bytes64 = hn::ScalableTag<uint8_t>;
constexpr int64_t kDirectRows = 16;  // of W, one a lane of the sums

/// The codes of a step of two rows of W, one in either half.
template <BlockKind kKind>
HWY_INLINE hn::Vec<Bytes64> two_rows(const std::byte* a, const std::byte* b, int64_t step) {
  const hn::Half<Bytes64> half;
  using Of = Codes<kKind>;
  if constexpr (kKind == BlockKind::q4_0 || kKind == BlockKind::q4_1) {
    const auto both =
        _mm512_mask_broadcast_i64x2(_mm512_broadcast_i64x2(load16(Of::numbers(a, step)).raw), 0xf0,
                                    load16(Of::numbers(b, step)).raw);
    const auto shift = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
    const hn::Vec<Bytes64> moved{_mm512_srlv_epi64(both, shift)};
    return hn::And(moved, hn::Set(Bytes64(), uint8_t{15}));
  } else if constexpr (kKind == BlockKind::q4_k) {
    const int64_t from = 16 + step % Of::kSteps / 2 * kInt8Step;
    const auto both = hn::Combine(Bytes64(), hn::LoadU(half, Of::block(b, step) + from),
                                  hn::LoadU(half, Of::block(a, step) + from));
    const hn::Repartition<uint16_t, Bytes64> pairs;
    const int bit = static_cast<int>(step % 2 * 4);
    const auto moved = hn::BitCast(Bytes64(), hn::ShiftRightSame(hn::BitCast(pairs, both), bit));
    return hn::And(moved, hn::Set(Bytes64(), uint8_t{15}));
  } else if constexpr (kKind == BlockKind::q8_0) {
    const auto both = hn::Combine(Bytes64(), hn::LoadU(half, Of::numbers(b, step)),
                                  hn::LoadU(half, Of::numbers(a, step)));
    return hn::Xor(both, hn::Set(Bytes64(), uint8_t{128}));
  } else {
    return hn::Combine(
        Bytes64(), hn::Combine(half, Of::template half<1>(b, step), Of::template half<0>(b, step)),
        hn::Combine(half, Of::template half<1>(a, step), Of::template half<0>(a, step)));
  }
}

/// Sums over each four lanes: block i of the result has those of block i of a, b, c and d.
HWY_INLINE IntegerVector add_fours(IntegerVector a, IntegerVector b, IntegerVector c,
                                   IntegerVector d) {
  const Integers i;
  const hn::Repartition<int64_t, Integers> pairs;
  const auto ab = hn::Add(hn::InterleaveLower(i, a, b), hn::InterleaveUpper(i, a, b));
  const auto cd = hn::Add(hn::InterleaveLower(i, c, d), hn::InterleaveUpper(i, c, d));
  const auto lower = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, cd));
  const auto upper = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, cd));
  return hn::Add(hn::BitCast(i, lower), hn::BitCast(i, upper));
}

/// d and m (or some number) of one step of 16 rows.
struct DirectScales {
  FloatVector first, second;
};

/// What 16 rows share: where kinds have f16 at the beginning of a step's block, they are read in
/// the step.
template <BlockKind kKind, bool kOfSteps = (block_size(kKind) == kInt8Step)>
class RowScales {
 public:
  void widen(const std::byte* const*, const Depth&) {}
  HWY_INLINE DirectScales at(const std::byte* const (&rows)[kDirectRows], int64_t,
                             int64_t step) const {
    __m512i pairs = _mm512_setzero_si512();
    HEED_UNROLL
    for (int n = 0; n < kDirectRows; ++n) {
      int32_t pair;
      std::memcpy(&pair, rows[n] + step * block_bytes(kKind), sizeof(pair));
      pairs = _mm512_mask_set1_epi32(pairs, static_cast<__mmask16>(1U << n), pair);
    }
    return {FloatVector{_mm512_cvtph_ps(_mm512_cvtepi32_epi16(pairs))},
            FloatVector{_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(pairs, 16)))}};
  }
};

/// Others are widened for a depth at a time.
template <BlockKind kKind>
class RowScales<kKind, false> {
 public:
  void widen(const std::byte* const* rows, const Depth& depth) {
    for (int64_t n = 0; n < kDirectRows; ++n) {
      blocks::Unpacker<kKind>::scales(rows[n], depth.first, depth.steps, of_rows_[n]);
    }
    const auto same = [](FloatVector x) HWY_ATTR { return x; };
    tile_from_rows(of_rows_[0], blocks::kScales, kDirectRows, 2 * depth.steps, same, of_steps_[0],
                   kDirectRows);
  }
  HWY_INLINE DirectScales at(const std::byte* const (&)[kDirectRows], int64_t s, int64_t) const {
    const Floats f;
    return {hn::Load(f, of_steps_[2 * s]), hn::Load(f, of_steps_[2 * s + 1])};
  }

 private:
  HWY_ALIGN float of_rows_[kDirectRows][blocks::kScales];
  HWY_ALIGN float of_steps_[2 * kMaxSteps][kDirectRows];
};

template <BlockKind kKind>
class DirectRows {
 public:
  DirectRows(const Int8ProductTask& task, int64_t output) {
    for (int64_t n = 0; n < kDirectRows; ++n) {
      rows_[n] = task.weights.row(std::min(output + n, task.last_output - 1));
    }
    next_ = task.weights.row(output) + kDirectRows * task.weights.row_bytes;
  }

  /// y + the depth's products.
  FloatVector add(FloatVector y, const Depth& depth, const int8_t* codes, const Int8Scale* inputs) {
    scales_.widen(rows_, depth);
    for (int64_t s = 0; s < depth.steps; ++s) {
      // the next rows, of which each step of these asks for a part
      HEED_UNROLL
      for (int64_t b = 0; b < kStepBytes; b += 64) __builtin_prefetch(next_ + b);
      next_ += kStepBytes;
      y = add_step(y, s, depth.first + s, codes + s * kInt8Step, inputs[s]);
    }
    return y;
  }

 private:
  using Of = Codes<kKind>;
  static constexpr int64_t kStepBytes =
      (kDirectRows * kInt8Step * block_bytes(kKind) + block_size(kKind) - 1) / block_size(kKind);

  HWY_INLINE FloatVector add_step(FloatVector y, int64_t s, int64_t step, const int8_t* codes,
                                  const Int8Scale& input) {
    const Floats f;
    const hn::Half<Bytes64> half;
    const auto one = hn::LoadU(half, reinterpret_cast<const uint8_t*>(codes));
    const auto x = hn::BitCast(Integers(), hn::Combine(Bytes64(), one, one));
    IntegerVector sums[8];
    HEED_UNROLL
    for (int64_t p = 0; p < 8; ++p) {
      const int64_t row = p < 4 ? p : p + 4;  // so that the sums come out in the rows' order
      const auto w = two_rows<kKind>(rows_[row], rows_[row + 4], step);
      sums[p] = ByteProducts::add(hn::Zero(Integers()), hn::BitCast(Words(), w), x);
    }
    const IntegerVector a = add_fours(sums[0], sums[1], sums[2], sums[3]);
    const IntegerVector b = add_fours(sums[4], sums[5], sums[6], sums[7]);
    const IntegerVector low{_mm512_shuffle_i32x4(a.raw, b.raw, 0x88)};
    const IntegerVector high{_mm512_shuffle_i32x4(a.raw, b.raw, 0xdd)};
    const FloatVector scale = hn::Set(f, input.scale);
    const DirectScales scales = scales_.at(rows_, s, step);
    const FloatVector d = hn::Mul(scales.first, scale);
    if constexpr (Of::kHalves) {
      const int32_t rest = input.minus_sum - input.minus_sum_low;
      y = hn::MulAdd(float_of(low, input.minus_sum_low), d, y);
      return hn::MulAdd(float_of(high, rest), hn::Mul(scales.second, scale), y);
    }
    y = hn::MulAdd(float_of(hn::Add(low, high), input.minus_sum), d, y);
    return Of::kHasMinimum ? hn::MulAdd(hn::Set(f, input.scaled_sum), scales.second, y) : y;
  }

  static HWY_INLINE FloatVector float_of(IntegerVector sums, int32_t minus_sum) {
    if constexpr (Of::kZeroBits > 0) {
      sums = hn::Add(sums, hn::Set(Integers(), minus_sum * (1 << Of::kZeroBits)));
    }
    return hn::ConvertTo(Floats(), sums);
  }

  const std::byte* rows_[kDirectRows];
  const std::byte* next_;
  RowScales<kKind> scales_;
};

}  // namespace int8
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
