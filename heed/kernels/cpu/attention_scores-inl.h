// From queries and keys to a chunk of scores: what attention and what recomputes its weights share.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_SCORES_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_SCORES_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_SCORES_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

/// A call's scratch laid out; take(n) gives n floats of it.
template <class Take>
HWY_INLINE Block take_block(const AttentionProblem& problem, int64_t b, int64_t h,
                            const Take& take) {
  return {.problem = problem,
          .b = b,
          .h = h,
          .careful = false,
          .scores = take(kAttentionChunk * kTile),
          .stage = take(kMaskKeys * kTile),
          .wide_q = take(kTile * problem.head_dim),
          .wide_y = take(kTile * problem.value_dim),
          .wide_k = take(kAttentionChunk * problem.head_dim),
          .wide_v = take(kAttentionChunk * problem.value_dim)};
}

/// The memory of a tile.
template <class Take>
HWY_INLINE void take_tile(const Block& block, Tile& tile, const Take& take) {
  tile.q = take(block.problem.head_dim * kTile);
  tile.out = take(block.problem.value_dim * kTile);
  tile.highest = take(kTile);
  tile.total = take(kTile);
}

/// Asks for the lines of a row, kWrite: to write them.
template <int kWrite = 0>
HWY_INLINE void fetch_row(const std::byte* row, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, kWrite);
}

/// Asks for the lines of a tile's outputs, which come while the keys are gone over.
HWY_INLINE void fetch_outputs(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  if (problem.y.data == nullptr) return;
  const int64_t bytes = problem.value_dim * size_of(problem.y.element);
  for (int64_t w = 0; w < tile.queries; ++w) {
    fetch_row<1>(problem.y.at(block.b, block.h, tile.first + w), bytes);
  }
}

/// The queries of a tile, transposed and scaled.
HWY_INLINE void take_queries(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  const int64_t d = problem.head_dim;
  const std::byte* rows = problem.q.at(block.b, block.h, tile.first);
  const auto* wide = reinterpret_cast<const float*>(rows);
  int64_t stride = problem.q.row;
  if (problem.q.element != Element::f32) {
    for (int64_t w = 0; w < tile.queries; ++w) {
      widen(problem.q.element, rows + w * stride * size_of(problem.q.element), d,
            block.wide_q + w * d);
    }
    wide = block.wide_q;
    stride = d;
  }
  tile_from_rows(wide, stride, tile.queries, d, problem.scale, tile.q, tile.width);
  if (block.ahead == nullptr) fetch_outputs(block, tile);
}

/// One row of k or v as f32.
HWY_INLINE void copy_row(Element element, const std::byte* from, int64_t n, float* to) {
  if (element == Element::f32) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  } else {
    widen(element, from, n, to);
  }
}

/// Where keys [first, first + n) lie as f32 rows; the block's own copies where they are something
/// else, or apart and wanted together. n <= kAttentionChunk.
HWY_INLINE Keys find_keys(const Block& block, int64_t first, int64_t n) {
  const AttentionProblem& problem = block.problem;
  const int64_t g = problem.kv_head(block.h);
  const int64_t d = problem.head_dim, e = problem.value_dim;
  const AttentionPages& pages = problem.pages;
  const bool together =
      pages.table == nullptr || first / pages.tokens == (first + n - 1) / pages.tokens;
  const bool apart = problem.k.row != d || problem.v.row != e;
  if (together && problem.k.element == Element::f32 && !(block.gather && apart)) {
    return {first,
            n,
            reinterpret_cast<const float*>(problem.key_at(problem.k, block.b, g, first)),
            problem.k.row,
            reinterpret_cast<const float*>(problem.key_at(problem.v, block.b, g, first)),
            problem.v.row};
  }
  for (int64_t s = first; s < first + n; ++s) {
    copy_row(problem.k.element, problem.key_at(problem.k, block.b, g, s), d,
             block.wide_k + (s - first) * d);
    copy_row(problem.v.element, problem.key_at(problem.v, block.b, g, s), e,
             block.wide_v + (s - first) * e);
  }
  return {first, n, block.wide_k, d, block.wide_v, e};
}

/// block.scores = the products of the tile's queries and these keys; highest = their maxima.
template <int kVectors>
HWY_INLINE void multiply_keys(const Block& block, const Tile& tile, const Keys& keys,
                              Vector* highest) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  for (int i = 0; i < kVectors; ++i) highest[i] = hn::Set(f, kHidden);
  in_strides<kRows>(keys.n, 0, [&](auto count, int64_t s) HWY_ATTR {
    block.look_ahead();
    score_rows<count(), kVectors>(tile.q, block.problem.head_dim, keys.k + s * keys.k_row,
                                  keys.k_row, block.scores + s * kWidth, highest);
  });
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
