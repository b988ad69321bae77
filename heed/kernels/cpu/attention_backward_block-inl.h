// The keys and the queries of one call of attention's backward, as its products want them.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_BACKWARD_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_BACKWARD_BLOCK_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_BACKWARD_BLOCK_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_BACKWARD_BLOCK_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "heed/kernels/attention_backward.h"
#include "heed/kernels/cpu/attention_ahead.h"
#include "heed/kernels/cpu/attention_backward_row-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace backward;
using fused::add_values;
using fused::add_values_carefully;
using fused::in_strides;
using fused::kRows;
using fused::kTile;
using fused::kTileVectors;
using fused::score_rows;

/// Rows as f32, wherever they lie.
struct FloatRows {
  const float* data;
  int64_t row;
  const float* at(int64_t i) const { return data + i * row; }
};

/// Keys in lanes.
struct KeyTile {
  int64_t first;  // from the block's first key on
  int64_t n;      // <= kTile; lanes past them repeat the last and are hidden
  int64_t width;  // lanes in use: kLanes or kTile
  float *k, *v;   // [D][width], times the scale; [E][width]
  float *dk, *dv;
  float* dx;        // [kBackwardQueries][width], times the scale
  float* key_sums;  // [width]
};

/// One call.
struct Block {
  const AttentionProblem& problem;
  const AttentionGradients& to;
  int64_t b, g;
  KeyRange keys;
  FloatRows k{}, v{};
  bool finite = true;  // k and v
  KeyTile tiles[kBackwardKeys / kTile]{};
  int64_t count = 0;
  RowsAhead& ahead;  // of the next queries or call
  float* wide_k;     // [kBackwardKeys][D], where k is not f32; at the end dk
  float* wide_v;     // [kBackwardKeys][E]
  float* wide_q;     // [kBackwardQueries][D], where q is not f32
  float* wide_dy;    // [kBackwardQueries][E]
  float* weights;    // [kBackwardQueries][width], dropout applied
  float* row_sums;   // [kBackwardQueries]
  float* diagonals;  // [T + kBackwardKeys + kTile], of one head
  bool sums = to.row_sums != nullptr || to.key_sums != nullptr || to.diagonals != nullptr ||
              !to.pairs.empty();  // of dscore are wanted
  bool scores_wanted = to.dq.data != nullptr || to.dk.data != nullptr || sums;  // else only dv is
  /// Nothing but a query's range changes scores, nothing is dropped, and dq, dk and dv are all.
  bool plain = !changes_scores(problem) && !problem.dropout.on() && !sums && scores_wanted;
};

/// A block of queries of one head.
struct Queries {
  int64_t h;
  int64_t first;
  int64_t n;
  FloatRows q, dy;
  const float *lse, *delta;
  bool careful;
  // The keys that each sees, from the block's first key on: neither falls.
  int64_t begins[kBackwardQueries], ends[kBackwardQueries];

  /// Rows, in whole groups of kRows, of which one sees a key of the tile.
  KeyRange rows_of(const KeyTile& tile) const {
    const int64_t begin = std::upper_bound(ends, ends + n, tile.first) - ends;
    const int64_t end = std::lower_bound(begins, begins + n, tile.first + tile.n) - begins;
    return {begin / kRows * kRows, std::min((end + kRows - 1) / kRows * kRows, n)};
  }
};

void copy_row(const float* from, int64_t n, float* to) {
  const Floats f;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::LoadU(f, from + i), f, to + i);
  for (; i < n; ++i) to[i] = from[i];
}

/// n rows where they are, if they lie one after the other: rows with others between them fall on
/// few lines of the nearest cache (with 12 heads of 64 between tokens, on a quarter). Else a copy.
FloatRows as_floats(const AttentionRows<const std::byte>& rows, const std::byte* first, int64_t n,
                    int64_t size, float* copy) {
  const bool wide = rows.element == Element::f32;
  if (wide && rows.row == size) return {reinterpret_cast<const float*>(first), size};
  constexpr int64_t kLine = 64, kAhead = 16;  // rows; they are no stream that the processor sees
  const int64_t row_bytes = size * size_of(rows.element);
  for (int64_t i = 0; i < n; ++i) {
    const std::byte* row = first + i * rows.row * size_of(rows.element);
    const std::byte* ahead = row + kAhead * rows.row * size_of(rows.element);
    for (int64_t at = 0; i + kAhead < n && at < row_bytes; at += kLine)
      __builtin_prefetch(ahead + at);
    if (wide) {
      copy_row(reinterpret_cast<const float*>(row), size, copy + i * size);
    } else {
      widen(rows.element, row, size, copy + i * size);
    }
  }
  return {copy, size};
}

/// Whether n floats are: 0 times anything else is NaN.
bool all_finite(const float* p, int64_t n) {
  const Floats f;
  const Vector zero = hn::Zero(f);
  Vector sums[4] = {zero, zero, zero, zero};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    HEED_UNROLL
    for (int j = 0; j < 4; ++j) {
      sums[j] = hn::MulAdd(hn::LoadU(f, p + i + j * kLanes), zero, sums[j]);
    }
  }
  for_vectors(n - i, [&](int64_t more, int64_t lanes) HWY_ATTR {
    sums[0] = hn::MulAdd(load(f, p + i + more, lanes), zero, sums[0]);
  });
  const Vector sum = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
  return hn::AllTrue(f, hn::Eq(sum, zero));
}

/// Cuts the block's keys in tiles, packs them and clears their sums.
template <class Take>
void take_keys(Block& block, const Take& take) {
  const AttentionProblem& problem = block.problem;
  const int64_t d = problem.head_dim, e = problem.value_dim;
  const int64_t n = block.keys.end - block.keys.begin;
  block.k =
      as_floats(problem.k, problem.k.at(block.b, block.g, block.keys.begin), n, d, block.wide_k);
  block.v =
      as_floats(problem.v, problem.v.at(block.b, block.g, block.keys.begin), n, e, block.wide_v);
  for (int64_t at = 0; at < n; at += kTile) {
    KeyTile& tile = block.tiles[block.count++];
    tile.first = at;
    tile.n = std::min(kTile, n - at);
    tile.width = tile.n <= kLanes ? kLanes : kTile;
    tile.k = take(d * kTile);
    tile.v = take(e * kTile);
    tile.dk = take(d * kTile);
    tile.dv = take(e * kTile);
    tile.dx = take(kBackwardQueries * kTile);
    tile.key_sums = take(kTile);
    tile_from_rows(block.k.at(at), block.k.row, tile.n, d, problem.scale, tile.k, tile.width);
    tile_from_rows(block.v.at(at), block.v.row, tile.n, e, 1.0F, tile.v, tile.width);
    std::fill_n(tile.dk, d * tile.width, 0.0F);
    std::fill_n(tile.dv, e * tile.width, 0.0F);
    block.finite =
        block.finite && all_finite(tile.k, d * tile.width) && all_finite(tile.v, e * tile.width);
  }
}

Queries take_queries(const Block& block, int64_t h, int64_t first, int64_t n) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.to;
  const int64_t row = problem.row(block.b, h, first);
  Queries queries{.h = h, .first = first, .n = n, .lse = to.lse + row, .delta = to.delta + row};
  queries.q =
      as_floats(problem.q, problem.q.at(block.b, h, first), n, problem.head_dim, block.wide_q);
  queries.dy = as_floats(to.dy, to.dy.at(block.b, h, first), n, problem.value_dim, block.wide_dy);
  queries.careful = !block.finite || !all_finite(queries.q.data, n * problem.head_dim) ||
                    !all_finite(queries.dy.data, n * problem.value_dim);
  const int64_t keys = block.keys.end - block.keys.begin;
  for (int64_t i = 0; i < n; ++i) {
    const KeyRange seen = visible_keys(problem, block.b, first + i);
    queries.begins[i] = std::clamp<int64_t>(seen.begin - block.keys.begin, 0, keys);
    queries.ends[i] = std::clamp<int64_t>(seen.end - block.keys.begin, 0, keys);
  }
  return queries;
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
