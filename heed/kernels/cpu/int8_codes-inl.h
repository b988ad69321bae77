// Codes of quantised weights as bytes: w = d (q - kZero) + m, q unsigned. Included once for each
// Highway target.
#if defined(HEED_KERNELS_CPU_INT8_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_INT8_CODES_INL_H_
#undef HEED_KERNELS_CPU_INT8_CODES_INL_H_
#else
#define HEED_KERNELS_CPU_INT8_CODES_INL_H_
#endif

#include "heed/kernels/cpu/blocks-inl.h"
#include "heed/kernels/int8_product.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace int8 {

static_assert(blocks::kStep == kInt8Step);

using Bytes16 = hn::FixedTag<uint8_t, 16>;
using Sixteen = hn::Vec<Bytes16>;

HWY_INLINE Sixteen load16(const uint8_t* at) { return hn::LoadU(Bytes16(), at); }
/// Bits [kBit, ...) of each byte that `mask` leaves.
template <int kBit>
HWY_INLINE Sixteen bits_of(Sixteen bytes, uint8_t mask) {
  const hn::Repartition<uint16_t, Bytes16> pairs;  // there are no shifts of bytes
  const auto moved = hn::BitCast(Bytes16(), hn::ShiftRight<kBit>(hn::BitCast(pairs, bytes)));
  return hn::And(moved, hn::Set(Bytes16(), mask));
}
HWY_INLINE Sixteen bits_at(Sixteen bytes, int bit, uint8_t mask) {
  const hn::Repartition<uint16_t, Bytes16> pairs;
  const auto moved = hn::BitCast(Bytes16(), hn::ShiftRightSame(hn::BitCast(pairs, bytes), bit));
  return hn::And(moved, hn::Set(Bytes16(), mask));
}
/// The low halves of a step's 16 bytes for the first half of its numbers, then the high ones.
template <int kHalf>
HWY_INLINE Sixteen nibbles(const uint8_t* q) {
  return bits_of<4 * kHalf>(load16(q), 15);
}
/// 16 where bit 16 kHalf + i of the four bytes is set.
template <int kHalf>
HWY_INLINE Sixteen fifth_bits(const uint8_t* bits) {
  uint16_t sixteen;
  std::memcpy(&sixteen, bits + 2 * kHalf, sizeof(sixteen));
  HWY_ALIGN static constexpr uint8_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                                  1, 2, 4, 8, 16, 32, 64, 128};
  const hn::FixedTag<uint64_t, 2> words;
  constexpr uint64_t kEach = 0x0101010101010101U;
  HWY_ALIGN const uint64_t spread[2] = {(sixteen & 255U) * kEach, (sixteen >> 8) * kEach};
  const Sixteen byte = hn::BitCast(Bytes16(), hn::Load(words, spread));
  const Sixteen bit = hn::Load(Bytes16(), kBits);
  const auto set = hn::Eq(hn::And(byte, bit), bit);
  return hn::IfThenElseZero(set, hn::Set(Bytes16(), uint8_t{16}));
}

/// What a kind's weights are.
///   half: the codes of numbers [16 kHalf, 16 kHalf + 16) of a step
template <BlockKind kKind>
struct Codes;

template <BlockKind kKind>
struct StepCodes {
  static constexpr bool kHasMinimum = kKind == BlockKind::q4_1 || kKind == BlockKind::q5_1;
  static constexpr bool kHalves = false;  // whether the halves of a step have scales of their own
  static HWY_INLINE const uint8_t* numbers(const std::byte* row, int64_t step) {
    return blocks::bytes_of(row) + step * block_bytes(kKind) + (kHasMinimum ? 4 : 2);
  }
};
template <BlockKind kKind>
struct FourBitCodes : StepCodes<kKind> {
  template <int kHalf>
  static HWY_INLINE Sixteen half(const std::byte* row, int64_t step) {
    return nibbles<kHalf>(StepCodes<kKind>::numbers(row, step));
  }
};
template <BlockKind kKind>
struct FiveBitCodes : StepCodes<kKind> {
  template <int kHalf>
  static HWY_INLINE Sixteen half(const std::byte* row, int64_t step) {
    const uint8_t* q = StepCodes<kKind>::numbers(row, step);
    return hn::Or(nibbles<kHalf>(q + 4), fifth_bits<kHalf>(q));
  }
};
template <>
struct Codes<BlockKind::q4_0> : FourBitCodes<BlockKind::q4_0> {
  static constexpr int kZeroBits = 3;  // kZero = 2^kZeroBits; 0 bits: kZero = 0
};
template <>
struct Codes<BlockKind::q4_1> : FourBitCodes<BlockKind::q4_1> {
  static constexpr int kZeroBits = 0;
};
template <>
struct Codes<BlockKind::q5_0> : FiveBitCodes<BlockKind::q5_0> {
  static constexpr int kZeroBits = 4;
};
template <>
struct Codes<BlockKind::q5_1> : FiveBitCodes<BlockKind::q5_1> {
  static constexpr int kZeroBits = 0;
};
template <>
struct Codes<BlockKind::q8_0> : StepCodes<BlockKind::q8_0> {
  static constexpr int kZeroBits = 7;  // the file's are signed
  template <int kHalf>
  static HWY_INLINE Sixteen half(const std::byte* row, int64_t step) {
    return hn::Xor(load16(numbers(row, step) + 16 * kHalf), hn::Set(Bytes16(), uint8_t{128}));
  }
};

template <BlockKind kKind>
struct GroupCodes {
  static constexpr bool kHasMinimum = kKind != BlockKind::q6_k;
  static constexpr bool kHalves = kKind == BlockKind::q6_k;
  static constexpr int64_t kSteps = blocks::kStepsOfBlock;
  static HWY_INLINE const uint8_t* block(const std::byte* row, int64_t step) {
    return blocks::bytes_of(row) + step / kSteps * block_bytes(kKind);
  }
  static HWY_INLINE Sixteen four_bits(const uint8_t* nibbles, int64_t group, int half) {
    const int bit = static_cast<int>(group % 2 * 4);
    return bits_at(load16(nibbles + group / 2 * kInt8Step + 16 * half), bit, 15);
  }
};
template <>
struct Codes<BlockKind::q4_k> : GroupCodes<BlockKind::q4_k> {
  static constexpr int kZeroBits = 0;
  template <int kHalf>
  static HWY_INLINE Sixteen half(const std::byte* row, int64_t step) {
    return four_bits(block(row, step) + 16, step % kSteps, kHalf);
  }
};
template <>
struct Codes<BlockKind::q5_k> : GroupCodes<BlockKind::q5_k> {
  static constexpr int kZeroBits = 0;
  template <int kHalf>
  static HWY_INLINE Sixteen half(const std::byte* row, int64_t step) {
    const uint8_t* at = block(row, step) + 16;
    const int64_t group = step % kSteps;
    const Sixteen fifth = bits_at(load16(at + 16 * kHalf), static_cast<int>(group), 1);
    const hn::Repartition<uint16_t, Bytes16> pairs;
    const auto upper = hn::BitCast(Bytes16(), hn::ShiftLeft<4>(hn::BitCast(pairs, fifth)));
    return hn::Or(four_bits(at + 32, group, kHalf), upper);
  }
};
template <>
struct Codes<BlockKind::q6_k> : GroupCodes<BlockKind::q6_k> {
  static constexpr int kZeroBits = 5;
  template <int kHalf>
  static HWY_INLINE Sixteen half(const std::byte* row, int64_t step) {
    const uint8_t* at = block(row, step) + 16 * kHalf;
    const int64_t part = step % kSteps / 4, group = step % 4;
    const Sixteen low =
        bits_at(load16(at + part * 64 + group % 2 * 32), static_cast<int>(group / 2 * 4), 15);
    const Sixteen high = bits_at(load16(at + 128 + part * 32), static_cast<int>(group * 2), 3);
    const hn::Repartition<uint16_t, Bytes16> pairs;
    return hn::Or(low, hn::BitCast(Bytes16(), hn::ShiftLeft<4>(hn::BitCast(pairs, high))));
  }
};

}  // namespace int8
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
