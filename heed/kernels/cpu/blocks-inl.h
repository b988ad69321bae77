// Blocks of weights to vectors of f32; included once for each Highway target.
#if defined(HEED_KERNELS_CPU_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_BLOCKS_INL_H_
#undef HEED_KERNELS_CPU_BLOCKS_INL_H_
#else
#define HEED_KERNELS_CPU_BLOCKS_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "heed/kernels/blocks.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace blocks {

// A row is unpacked in steps of this many numbers, the block of most kinds and an eighth of the
// others'.
constexpr int64_t kStep = 32;
constexpr int64_t kParts = kStep / kLanes;  // vectors of a step
// Scales are widened for so many steps at a time, two floats a step, into scratch: one broadcast
// from memory each is then all that a step pays for them.
constexpr int64_t kMaxSteps = 32;
constexpr int64_t kScales = 2 * kMaxSteps + 8;  // some are stored by fours of blocks

using Words = hn::RebindToUnsigned<Floats>;
using WordVector = hn::Vec<Words>;
using Integers = hn::RebindToSigned<Floats>;
using IntegerVector = hn::Vec<Integers>;

HWY_INLINE const uint8_t* bytes_of(const std::byte* at) {
  return reinterpret_cast<const uint8_t*>(at);
}
/// kLanes bytes, one a lane.
HWY_INLINE WordVector load_bytes(const uint8_t* at) {
  return hn::PromoteTo(Words(), hn::LoadU(hn::Rebind<uint8_t, Floats>(), at));
}
HWY_INLINE FloatVector float_of(WordVector q) {
  return hn::ConvertTo(Floats(), hn::BitCast(Integers(), q));
}
HWY_INLINE float half_at(const std::byte* at) { return load_element(Element::f16, at); }

/// The weights that four bits stand for: d (q - 8), or d q + m (kWithMinimum).
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
template <bool kWithMinimum>
class FourBits {
 public:
  explicit FourBits(const float* scales) {
    const Floats f;
    const FloatVector d = hn::Set(f, scales[0]);
    // d q is exact (11 bits, or 17 of a K kind, times 4), so one rounding is the law's two
    weights_ = kWithMinimum ? hn::MulAdd(d, hn::Iota(f, 0), hn::Set(f, scales[1]))
                            : hn::Mul(d, hn::Iota(f, -8));
  }
  /// Looks all up at once, by the lowest four bits of each lane alone, where arithmetic would take
  /// four operations. (Highway's own look-up wants the other bits cleared.)
  FloatVector at(WordVector q) const {
    return FloatVector{_mm512_permutexvar_ps(q.raw, weights_.raw)};
  }

 private:
  FloatVector weights_;  // of q = 0 .. 15
};
#else
template <bool kWithMinimum>
class FourBits {
 public:
  explicit FourBits(const float* scales)
      : d_(hn::Set(Floats(), scales[0])),
        m_(kWithMinimum ? hn::Set(Floats(), scales[1]) : hn::Zero(Floats())) {}
  FloatVector at(WordVector bits) const {
    const WordVector q = hn::And(bits, hn::Set(Words(), 15U));
    if constexpr (kWithMinimum) return hn::Add(hn::Mul(d_, float_of(q)), m_);
    return hn::Mul(d_, hn::Sub(float_of(q), hn::Set(Floats(), 8.0F)));
  }

 private:
  FloatVector d_, m_;
};
#endif

/// How a kind is unpacked.
///   scales: those of steps [first, first + steps), first a multiple of 8, two floats a step
///   unpack: the numbers of a step, from the row and that step's two scales
template <BlockKind kKind>
struct Unpacker;

/// Blocks of one step, which begin with d or with d and m.
template <BlockKind kKind>
struct StepBlocks {
  static constexpr int64_t kBytes = block_bytes(kKind);
  /// The first two f16 of each block, which need not both be scales.
  static HWY_INLINE void scales(const std::byte* row, int64_t first, int64_t steps, float* to) {
    const std::byte* at = row + first * kBytes;
    int64_t i = 0;
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    // one by one, widening costs a third of the time of a row's product with q4_1
    const hn::FixedTag<float, 8> eight;
    const hn::FixedTag<uint16_t, 32> line;
    const hn::Rebind<hwy::float16_t, decltype(eight)> some;
    constexpr int64_t kTogether = std::min<int64_t>(4, (64 - 4) / kBytes + 1);  // in 64 bytes
    static_assert(kTogether * kBytes >= 64);  // which are all theirs
    HWY_ALIGN static constexpr std::array<uint16_t, 32> kStarts = [] {
      std::array<uint16_t, 32> starts{};
      for (size_t j = 0; j < 8; ++j) {
        starts[j] = static_cast<uint16_t>(j / 2 % size_t{kTogether} * size_t{kBytes / 2} + j % 2);
      }
      return starts;
    }();
    const auto starts = hn::Load(line, kStarts.data());
    for (; i + kTogether <= steps; i += kTogether, at += kTogether * kBytes) {
      const auto bytes = hn::LoadU(line, reinterpret_cast<const uint16_t*>(at));
      const decltype(bytes) pairs{_mm512_permutexvar_epi16(starts.raw, bytes.raw)};
      const auto halves = hn::LowerHalf(hn::LowerHalf(pairs));
      hn::StoreU(hn::PromoteTo(eight, hn::BitCast(some, halves)), eight, to + 2 * i);
    }
#endif
    const hn::FixedTag<float, 4> f;
    const hn::FixedTag<float, 2> two;
    const hn::Rebind<uint16_t, decltype(f)> bits;
    const hn::Rebind<hwy::float16_t, decltype(f)> halves;
    for (; i < steps; ++i, at += kBytes) {
      const auto start = hn::LoadU(bits, reinterpret_cast<const uint16_t*>(at));
      hn::StoreU(hn::LowerHalf(two, hn::PromoteTo(f, hn::BitCast(halves, start))), two, to + 2 * i);
    }
  }
  static HWY_INLINE const uint8_t* block(const std::byte* row, int64_t step) {
    return bytes_of(row) + step * kBytes;
  }
};

template <BlockKind kKind, bool kWithMinimum>
struct FourBitBlocks : StepBlocks<kKind> {
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float* scales,
                                FloatVector* w) {
    const uint8_t* q = StepBlocks<kKind>::block(row, step) + (kWithMinimum ? 4 : 2);
    const FourBits<kWithMinimum> weights(scales);
    HEED_UNROLL
    for (int64_t p = 0; p < kParts / 2; ++p) {
      const WordVector both = load_bytes(q + p * kLanes);
      w[p] = weights.at(both);
      w[p + kParts / 2] = weights.at(hn::ShiftRight<4>(both));
    }
  }
};
template <>
struct Unpacker<BlockKind::q4_0> : FourBitBlocks<BlockKind::q4_0, false> {};
template <>
struct Unpacker<BlockKind::q4_1> : FourBitBlocks<BlockKind::q4_1, true> {};

template <BlockKind kKind, bool kWithMinimum>
struct FiveBitBlocks : StepBlocks<kKind> {
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float* scales,
                                FloatVector* w) {
    const uint8_t* block = StepBlocks<kKind>::block(row, step) + (kWithMinimum ? 4 : 2);
    uint32_t fifth;
    std::memcpy(&fifth, block, sizeof(fifth));
    const uint8_t* q = block + sizeof(fifth);
    HEED_UNROLL
    for (int64_t p = 0; p < kParts / 2; ++p) {
      const WordVector both = load_bytes(q + p * kLanes);
      const auto lane = static_cast<uint32_t>(p * kLanes);
      w[p] = weight(hn::And(both, hn::Set(Words(), 15U)), fifth, lane, scales);
      w[p + kParts / 2] = weight(hn::ShiftRight<4>(both), fifth, lane + 16, scales);
    }
  }

 private:
  /// fifth's bit `first` belongs to lane 0.
  static HWY_INLINE FloatVector weight(WordVector q, uint32_t fifth, uint32_t first,
                                       const float* scales) {
    const Floats f;
    const Words u;
    const WordVector bits = hn::Shr(hn::Set(u, fifth >> first), hn::Iota(u, 0));
    const WordVector upper = hn::ShiftLeft<4>(hn::And(bits, hn::Set(u, 1U)));
    const FloatVector number = float_of(hn::Or(q, upper));
    const FloatVector d = hn::Set(f, scales[0]);
    if constexpr (kWithMinimum) return hn::Add(hn::Mul(d, number), hn::Set(f, scales[1]));
    return hn::Mul(d, hn::Sub(number, hn::Set(f, 16.0F)));
  }
};
template <>
struct Unpacker<BlockKind::q5_0> : FiveBitBlocks<BlockKind::q5_0, false> {};
template <>
struct Unpacker<BlockKind::q5_1> : FiveBitBlocks<BlockKind::q5_1, true> {};

template <>
struct Unpacker<BlockKind::q8_0> : StepBlocks<BlockKind::q8_0> {
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float* scales,
                                FloatVector* w) {
    const auto* q = reinterpret_cast<const int8_t*>(block(row, step) + 2);
    const FloatVector d = hn::Set(Floats(), scales[0]);
    HEED_UNROLL
    for (int64_t p = 0; p < kParts; ++p) {
      const auto bytes = hn::LoadU(hn::Rebind<int8_t, Floats>(), q + p * kLanes);
      w[p] = hn::Mul(d, hn::ConvertTo(Floats(), hn::PromoteTo(Integers(), bytes)));
    }
  }
};

/// Blocks of eight steps.
constexpr int64_t kStepsOfBlock = 8;

/// q4_k and q5_k: d and dmin, six-bit pairs (s, m) of the eight steps.
template <BlockKind kKind>
struct PairBlocks {
  static constexpr int64_t kBytes = block_bytes(kKind);
  /// (d s, -(dmin m)): adding the one is subtracting the other, to the bit.
  static HWY_INLINE void scales(const std::byte* row, int64_t first, int64_t steps, float* to) {
    for (int64_t i = 0; i < steps; i += kStepsOfBlock) {
      widen_pairs(row + (first + i) / kStepsOfBlock * kBytes, to + 2 * i);
    }
  }
  static HWY_INLINE const uint8_t* block(const std::byte* row, int64_t step) {
    return bytes_of(row) + step / kStepsOfBlock * kBytes;
  }
  /// The step's number of the `nibbles` of its block, 32 of the 64 in 32 bytes: kLanes from `lane`
  /// on, with more above their four bits.
  static HWY_INLINE WordVector four_bits(const uint8_t* nibbles, int64_t step, int64_t lane) {
    const int64_t in_block = step % kStepsOfBlock;
    const WordVector both = load_bytes(nibbles + in_block / 2 * kStep + lane);
    return hn::Shr(both, hn::Set(Words(), static_cast<uint32_t>(in_block % 2 * 4)));
  }

 private:
  static HWY_INLINE void widen_pairs(const std::byte* block, float* to) {
    uint32_t words[3];
    std::memcpy(words, block + 4, sizeof(words));
    uint32_t small[4];  // eight bytes of s, eight of m
    small[0] = words[0] & 0x3f3f3f3fU;
    small[1] = (words[2] & 0x0f0f0f0fU) | (words[0] >> 2 & 0x30303030U);
    small[2] = words[1] & 0x3f3f3f3fU;
    small[3] = (words[2] >> 4 & 0x0f0f0f0fU) | (words[1] >> 2 & 0x30303030U);
    const hn::CappedTag<float, 8> f;
    const hn::RebindToSigned<decltype(f)> whole;
    const hn::Rebind<uint8_t, decltype(f)> bytes;
    const auto d = hn::Set(f, half_at(block));
    const auto least = hn::Set(f, -half_at(block + 2));
    const auto* s = reinterpret_cast<const uint8_t*>(small);
    constexpr auto kStride = static_cast<int64_t>(hn::MaxLanes(f));
    for (int64_t i = 0; i < kStepsOfBlock; i += kStride) {
      const auto scale = hn::ConvertTo(f, hn::PromoteTo(whole, hn::LoadU(bytes, s + i)));
      const auto minimum = hn::ConvertTo(f, hn::PromoteTo(whole, hn::LoadU(bytes, s + 8 + i)));
      hn::StoreInterleaved2(hn::Mul(d, scale), hn::Mul(least, minimum), f, to + 2 * i);
    }
  }
};

template <>
struct Unpacker<BlockKind::q4_k> : PairBlocks<BlockKind::q4_k> {
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float* scales,
                                FloatVector* w) {
    const uint8_t* nibbles = block(row, step) + 16;
    const FourBits<true> weights(scales);
    HEED_UNROLL
    for (int64_t p = 0; p < kParts; ++p) w[p] = weights.at(four_bits(nibbles, step, p * kLanes));
  }
};

template <>
struct Unpacker<BlockKind::q5_k> : PairBlocks<BlockKind::q5_k> {
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float* scales,
                                FloatVector* w) {
    const Words u;
    const uint8_t* fifth = block(row, step) + 16;
    const FloatVector d = hn::Set(Floats(), scales[0]);
    const FloatVector m = hn::Set(Floats(), scales[1]);
    const WordVector shift = hn::Set(u, static_cast<uint32_t>(step % kStepsOfBlock));
    HEED_UNROLL
    for (int64_t p = 0; p < kParts; ++p) {
      const WordVector lower = hn::And(four_bits(fifth + kStep, step, p * kLanes), hn::Set(u, 15U));
      const WordVector bit =
          hn::And(hn::Shr(load_bytes(fifth + p * kLanes), shift), hn::Set(u, 1U));
      w[p] = hn::Add(hn::Mul(d, float_of(hn::Or(lower, hn::ShiftLeft<4>(bit)))), m);
    }
  }
};

/// q6_k: sixteen scales, two a step; two halves of four steps.
template <>
struct Unpacker<BlockKind::q6_k> {
  static constexpr int64_t kBytes = block_bytes(BlockKind::q6_k);
  static HWY_INLINE void scales(const std::byte* row, int64_t first, int64_t steps, float* to) {
    for (int64_t i = 0; i < steps; i += kStepsOfBlock) {
      const std::byte* block = row + (first + i) / kStepsOfBlock * kBytes;
      const auto* s = reinterpret_cast<const int8_t*>(block + 192);
      const FloatVector d = hn::Set(Floats(), half_at(block + 208));
      for (int64_t j = 0; j < 2 * kStepsOfBlock; j += kLanes) {
        const auto bytes = hn::LoadU(hn::Rebind<int8_t, Floats>(), s + j);
        const FloatVector scale = hn::ConvertTo(Floats(), hn::PromoteTo(Integers(), bytes));
        hn::StoreU(hn::Mul(d, scale), Floats(), to + 2 * i + j);
      }
    }
  }
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float* scales,
                                FloatVector* w) {
    const Floats f;
    const Words u;
    const int64_t half = step % kStepsOfBlock / 4, group = step % 4;
    const uint8_t* block = bytes_of(row) + step / kStepsOfBlock * kBytes;
    const uint8_t* low = block + half * 64 + group % 2 * kStep;
    const uint8_t* high = block + 128 + half * kStep;
    const WordVector low_shift = hn::Set(u, static_cast<uint32_t>(group / 2 * 4));
    const WordVector high_shift = hn::Set(u, static_cast<uint32_t>(group * 2));
    HEED_UNROLL
    for (int64_t p = 0; p < kParts; ++p) {
      const WordVector lower =
          hn::And(hn::Shr(load_bytes(low + p * kLanes), low_shift), hn::Set(u, 15U));
      const WordVector upper =
          hn::And(hn::Shr(load_bytes(high + p * kLanes), high_shift), hn::Set(u, 3U));
      const FloatVector q = float_of(hn::Or(lower, hn::ShiftLeft<4>(upper)));
      const FloatVector d = hn::Set(f, scales[p * kLanes / 16]);
      w[p] = hn::Mul(d, hn::Sub(q, hn::Set(f, 32.0F)));
    }
  }
};

/// Plain numbers.
template <>
struct Unpacker<BlockKind::f32> {
  static HWY_INLINE void scales(const std::byte*, int64_t, int64_t, float*) {}
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float*, FloatVector* w) {
    const float* at = reinterpret_cast<const float*>(row) + step * kStep;
    HEED_UNROLL
    for (int64_t p = 0; p < kParts; ++p) w[p] = hn::LoadU(Floats(), at + p * kLanes);
  }
};
template <Element kElement>
struct HalfBlocks {
  static HWY_INLINE void scales(const std::byte*, int64_t, int64_t, float*) {}
  static HWY_INLINE void unpack(const std::byte* row, int64_t step, const float*, FloatVector* w) {
    const uint16_t* at = reinterpret_cast<const uint16_t*>(row) + step * kStep;
    HEED_UNROLL
    for (int64_t p = 0; p < kParts; ++p) w[p] = widen_vector<kElement>(at + p * kLanes);
  }
};
template <>
struct Unpacker<BlockKind::f16> : HalfBlocks<Element::f16> {};
template <>
struct Unpacker<BlockKind::bf16> : HalfBlocks<Element::bf16> {};

/// The numbers of a row after its last whole step, and zeros: only plain ones have such.
template <BlockKind kKind>
class Tail {
 public:
  static constexpr bool kPossible = block_size(kKind) == 1;
  Tail(const std::byte* row, int64_t from, int64_t count) {
    std::memset(bytes_, 0, sizeof(bytes_));
    std::memcpy(bytes_, row + from * kBytes, static_cast<size_t>(count * kBytes));
  }
  const std::byte* row() const { return bytes_; }

 private:
  static constexpr int64_t kBytes = block_bytes(kKind);
  HWY_ALIGN std::byte bytes_[kPossible ? kStep * kBytes : 1];
};

/// Numbers [begin, begin + count) of a row, begin a multiple of 256.
template <BlockKind kKind>
HWY_INLINE void unpack_row(const std::byte* row, int64_t begin, int64_t count, float* to) {
  const Floats f;
  HWY_ALIGN float scales[kScales];
  FloatVector w[kParts];
  const int64_t steps = count / kStep;
  for (int64_t i = 0; i < steps; i += kMaxSteps) {
    const int64_t first = begin / kStep + i;
    const int64_t now = std::min(kMaxSteps, steps - i);
    Unpacker<kKind>::scales(row, first, now, scales);
    for (int64_t s = 0; s < now; ++s, to += kStep) {
      Unpacker<kKind>::unpack(row, first + s, scales + 2 * s, w);
      HEED_UNROLL
      for (int64_t p = 0; p < kParts; ++p) hn::StoreU(w[p], f, to + p * kLanes);
    }
  }
  if constexpr (Tail<kKind>::kPossible) {
    const int64_t left = count % kStep;
    if (left == 0) return;
    const Tail<kKind> tail(row, begin + steps * kStep, left);
    HWY_ALIGN float numbers[kStep];
    Unpacker<kKind>::unpack(tail.row(), 0, scales, w);
    for (int64_t p = 0; p < kParts; ++p) hn::Store(w[p], f, numbers + p * kLanes);
    std::copy_n(numbers, left, to);
  }
}

/// Rows of weights from `first` on, numbers [begin, begin + count) of each, to rows of floats.
struct Panel {
  const BlockRows& weights;
  int64_t first;
  int64_t rows;
  int64_t begin;
  int64_t count;
};

template <BlockKind kKind>
HWY_NOINLINE void unpack_panel(const Panel& panel, float* to, int64_t stride) {
  for (int64_t i = 0; i < panel.rows; ++i) {
    unpack_row<kKind>(panel.weights.row(panel.first + i), panel.begin, panel.count,
                      to + i * stride);
  }
}

template <size_t... kKinds>
HWY_INLINE void unpack_panel_of(std::index_sequence<kKinds...>, const Panel& panel, float* to,
                                int64_t stride) {
  using Function = void (*)(const Panel&, float*, int64_t);
  constexpr Function kFunctions[] = {&unpack_panel<static_cast<BlockKind>(kKinds)>...};
  kFunctions[static_cast<size_t>(panel.weights.kind)](panel, to, stride);
}
/// The panel of whatever kind.
HWY_INLINE void unpack_any(const Panel& panel, float* to, int64_t stride) {
  unpack_panel_of(std::make_index_sequence<kBlockKinds>(), panel, to, stride);
}

}  // namespace blocks
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
