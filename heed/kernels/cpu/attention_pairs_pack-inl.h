// What the products of pairs of bf16 take, packed: queries, keys, values and weights. Shared by the
// kernels that multiply with AMX's tiles and with AVX512-BF16's dot product. Included once for each
// Highway target, of which AVX-512 alone has either.
#if defined(HEED_KERNELS_CPU_ATTENTION_PAIRS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_PAIRS_PACK_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_PAIRS_PACK_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_PAIRS_PACK_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/attention_scores-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

using Words = hn::RebindToUnsigned<Floats>;
using WordVector = hn::Vec<Words>;

/// Rows of q and k are asked for so many ahead of their copying: those of a projection lie apart.
constexpr int64_t kRowsAhead = 32;

constexpr int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/// One call, beside what the vector kernel's has.
struct PairBlock {
  Block block;
  int64_t depth;       // D rounded up to what a product takes
  int64_t value_rows;  // E rounded up
  float scale;         // what remains of it for the scores: q takes the power of 2
  uint16_t* queries;   // [kTile][depth], rows of q with zeros after D
  uint16_t* keys;      // [kAttentionChunk][depth], keys that are not used where they lie
  uint32_t* values;    // [kAttentionChunk / 2][value_rows] pairs, in the product's order
  uint32_t* weights;   // [kAttentionChunk / 2][width], pairs of keys
};

/// Keys [first, first + n) as rows of depth bf16; zeros for those that do not belong to the chunk.
struct PairKeys {
  KeyRange chunk;
  int64_t first;
  int64_t n;
  const std::byte* k;
  int64_t k_stride_bytes;

  const std::byte* at(int64_t s) const { return k + (s - first) * k_stride_bytes; }
};

/// Pairs of bf16 times a power of 2.
HWY_INLINE Vector scale_pairs(Vector pairs, Vector power) {
  const Floats f;
  const Words w;
  const WordVector upper = hn::Set(w, 0xffff0000U);
  const WordVector bits = hn::BitCast(w, pairs);
  const Vector first = hn::Mul(hn::BitCast(f, hn::ShiftLeft<16>(bits)), power);
  const Vector second = hn::Mul(hn::BitCast(f, hn::And(bits, upper)), power);
  return hn::BitCast(
      f, hn::Or(hn::ShiftRight<16>(hn::BitCast(w, first)), hn::And(hn::BitCast(w, second), upper)));
}

/// The queries of a tile as [depth / 2][width] pairs, times power.
inline void pack_queries(const PairBlock& b, const Tile& tile, float power) {
  const AttentionProblem& problem = b.block.problem;
  const Floats f;
  if (b.block.ahead == nullptr) fetch_outputs(b.block, tile);
  const auto at = [&](int64_t t) {
    return problem.q.at(b.block.b, b.block.h, std::min(t, problem.queries - 1));
  };
  for (int64_t w = 0; w < tile.queries; ++w) {
    uint16_t* row = b.queries + w * b.depth;
    fetch_row(at(tile.first + w + kRowsAhead), 2 * problem.head_dim);
    std::memcpy(row, at(tile.first + w), static_cast<size_t>(problem.head_dim) * sizeof(uint16_t));
    std::fill(row + problem.head_dim, row + b.depth, uint16_t{0});
  }
  const Vector powers = hn::Set(f, power);
  tile_from_rows(
      reinterpret_cast<const float*>(b.queries), b.depth / 2, tile.queries, b.depth / 2,
      [&](Vector pairs) HWY_ATTR { return scale_pairs(pairs, powers); }, tile.q, tile.width);
}

/// The keys of a chunk on a grid of `grid` keys, where they lie if products can take them there.
inline PairKeys find_pair_keys(const PairBlock& b, KeyRange chunk, int64_t grid) {
  const AttentionProblem& problem = b.block.problem;
  const AttentionPages& pages = problem.pages;
  const int64_t g = problem.kv_head(b.block.h);
  const int64_t d = problem.head_dim;
  const int64_t first = chunk.begin / grid * grid;
  const int64_t n = round_up(chunk.end, grid) - first;
  const bool together =
      pages.table == nullptr || chunk.begin / pages.tokens == (chunk.end - 1) / pages.tokens;
  const bool whole = first == chunk.begin && first + n == chunk.end && b.depth == d;
  if (together && whole && !(b.block.gather && problem.k.row != d)) {
    return {chunk, first, n, problem.key_at(problem.k, b.block.b, g, first), 2 * problem.k.row};
  }
  const auto at = [&](const AttentionRows<const std::byte>& rows, int64_t s) {
    return problem.key_at(rows, b.block.b, g, std::clamp(s, chunk.begin, chunk.end - 1));
  };
  const int64_t value_bytes = problem.y.data == nullptr ? 0 : 2 * problem.value_dim;
  for (int64_t s = first; s < first + n; ++s) {
    uint16_t* row = b.keys + (s - first) * b.depth;
    const bool there = s >= chunk.begin && s < chunk.end;
    fetch_row(at(problem.k, s + kRowsAhead), 2 * d);
    fetch_row(at(problem.v, s), value_bytes);  // which are packed next
    if (there) std::memcpy(row, at(problem.k, s), static_cast<size_t>(d) * sizeof(uint16_t));
    std::fill(row + (there ? d : 0), row + b.depth, uint16_t{0});
  }
  return {chunk, first, n, reinterpret_cast<const std::byte*>(b.keys), 2 * b.depth};
}

constexpr uint32_t kExponent = 0x7f80U;  // all of it set: infinity or NaN
inline bool is_finite(uint16_t bf16) { return (bf16 & kExponent) != kExponent; }

/// pairs[e] = (first[e], second[e]); null: zeros. careful: zeros for what is not finite.
inline void interlace(const uint16_t* first, const uint16_t* second, int64_t n, bool careful,
                      uint32_t* pairs) {
  const Words w;
  const hn::Rebind<uint16_t, Words> half;
  const WordVector exponent = hn::Set(w, kExponent);
  const auto widened = [&](const uint16_t* row, int64_t e) HWY_ATTR {
    if (row == nullptr) return hn::Zero(w);
    const WordVector values = hn::PromoteTo(w, hn::LoadU(half, row + e));
    if (!careful) return values;
    return hn::IfThenZeroElse(hn::Eq(hn::And(values, exponent), exponent), values);
  };
  int64_t e = 0;
  for (; e + kLanes <= n; e += kLanes) {
    const WordVector both = hn::Or(widened(first, e), hn::ShiftLeft<16>(widened(second, e)));
    hn::Store(both, w, pairs + e);
  }
  const auto one = [&](const uint16_t* row) -> uint32_t {
    return row == nullptr || (careful && !is_finite(row[e])) ? 0U : row[e];
  };
  for (; e < n; ++e) pairs[e] = one(first) | one(second) << 16;
}

/// Rows [s, s + 2 count) of a chunk's values as [count][value_rows] pairs, zeros after E and for
/// keys outside the chunk.
inline void interlace_values(const PairBlock& b, KeyRange chunk, int64_t s, int64_t count,
                             uint32_t* pairs) {
  const AttentionProblem& problem = b.block.problem;
  const int64_t g = problem.kv_head(b.block.h);
  const auto row = [&](int64_t key) -> const uint16_t* {
    if (key < chunk.begin || key >= chunk.end) return nullptr;
    return reinterpret_cast<const uint16_t*>(problem.key_at(problem.v, b.block.b, g, key));
  };
  for (const int64_t end = s + 2 * count; s < end; s += 2, pairs += b.value_rows) {
    interlace(row(s), row(s + 1), problem.value_dim, b.block.careful, pairs);
    std::fill(pairs + problem.value_dim, pairs + b.value_rows, 0U);
  }
}

/// b.weights from weights [n][width]: rows of pairs, rounded to nearest bf16. (Of two as near the
/// greater, as adding half does: one weight in 65,536, and half of the instructions. Arithmetic's
/// own NaN stays NaN.)
template <int kVectors>
void pack_weights(const PairBlock& b, const float* weights, int64_t n) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Words w;
  const hn::Repartition<uint16_t, Words> half;
  const WordVector middle = hn::Set(w, 0x8000U);
  const auto rounded = [&](const float* from) HWY_ATTR {
    return hn::Add(hn::Load(w, reinterpret_cast<const uint32_t*>(from)), middle);
  };
  for (int64_t s = 0; s < n; s += 2) {
    HEED_UNROLL
    for (int64_t i = 0; i < kWidth; i += kLanes) {
      const WordVector first = rounded(weights + s * kWidth + i);
      const WordVector second = rounded(weights + (s + 1) * kWidth + i);
      const auto pairs =
          hn::OddEven(hn::BitCast(half, second), hn::BitCast(half, hn::ShiftRight<16>(first)));
      hn::Store(hn::BitCast(w, pairs), w, b.weights + s / 2 * kWidth + i);
    }
  }
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_AVX3
#endif
