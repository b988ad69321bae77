// Backward of fused attention, keys in lanes: a block of keys is packed once, in tiles of up to two
// vectors of keys, and all queries pass by it. What depends on a query (lse, delta, its range) is
// then a scalar, masks are read along their rows, q, dy and dq are rows as they lie in memory, and
// dk and dv stay in tiles from the first query to the last.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_backward.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <utility>

#include "heed/kernels/attention_backward.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_backward_block-inl.h"
#include "heed/kernels/cpu/attention_backward_plan-inl.h"
#include "heed/kernels/cpu/attention_backward_queries-inl.h"
#include "heed/kernels/cpu/attention_backward_tile-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

void add_floats(const float* from, int64_t n, float* to) {
  const Floats f;
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    store(f, hn::Add(load(f, to + i, lanes), load(f, from + i, lanes)), to + i, lanes);
  });
}

/// A block of queries with all tiles of keys.
void pass_block(const Block& block, const Queries& queries, AttentionTurns& turns) {
  const AttentionGradients& to = block.to;
  std::fill_n(block.row_sums, queries.n, 0.0F);
  plan_ahead(block, queries);
  for (int64_t i = 0; i < block.count; ++i) {
    const KeyTile& tile = block.tiles[i];
    tile.width == kLanes ? pass_tile<1>(block, queries, tile)
                         : pass_tile<kTileVectors>(block, queries, tile);
  }
  const int64_t index = queries.first / kBackwardQueries;
  turns.take(queries.h, index, block.keys);
  if (to.dq.data != nullptr) pass_queries(block, queries);
  if (to.row_sums != nullptr) {
    add_floats(block.row_sums, queries.n,
               to.row_sums + block.problem.row(block.b, queries.h, queries.first));
  }
  turns.pass(queries.h, index, block.keys);
}

void pass_head(const Block& block, int64_t h, AttentionTurns& turns) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.to;
  const int64_t n = block.keys.end - block.keys.begin;
  for (int64_t i = 0; i < block.count; ++i) std::fill_n(block.tiles[i].key_sums, kTile, 0.0F);
  if (to.diagonals != nullptr) std::fill_n(block.diagonals, problem.queries + n + kTile, 0.0F);
  for (int64_t first = 0; first < problem.queries; first += kBackwardQueries) {
    const int64_t count = std::min(kBackwardQueries, problem.queries - first);
    const KeyRange seen = visible_keys(problem, block.b, first, count);
    if (seen.begin >= block.keys.end || seen.end <= block.keys.begin) continue;
    pass_block(block, take_queries(block, h, first, count), turns);
  }
  const int64_t head = block.b * problem.heads + h;
  for (int64_t i = 0; to.key_sums != nullptr && i < block.count; ++i) {
    const KeyTile& tile = block.tiles[i];
    add_floats(tile.key_sums, tile.n,
               to.key_sums + head * problem.key_pitch + block.keys.begin + tile.first);
  }
  if (to.diagonals == nullptr) return;
  turns.take(h, AttentionTurns::kWholeHead, block.keys);
  add_floats(block.diagonals, problem.queries + n - 1,
             to.diagonals + head * to.diagonal_pitch + block.keys.begin);
  turns.pass(h, AttentionTurns::kWholeHead, block.keys);
}

/// A tile of dk or dv to its rows, each written at once: whole lines, not a few bytes of many.
void write_rows(const Block& block, const KeyTile& tile, const float* sums, int64_t size,
                const AttentionRows<std::byte>& rows, float* wide) {
  if (rows.data == nullptr) return;
  rows_from_tile(sums, tile.width, size, wide, size, tile.n);
  for (int64_t w = 0; w < tile.n; ++w) {
    std::byte* to = rows.at(block.b, block.g, block.keys.begin + tile.first + w);
    if (rows.element == Element::f32) {
      copy_row(wide + w * size, size, reinterpret_cast<float*>(to));
    } else {
      narrow(rows.element, wide + w * size, size, to);
    }
  }
}

}  // namespace

void pass_keys(const AttentionProblem& problem, const AttentionGradients& to, int64_t b, int64_t g,
               KeyRange keys, AttentionTurns& turns, std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + (n + 15) / 16 * 16); };
  const int64_t d = problem.head_dim, e = problem.value_dim;
  RowsAhead ahead;
  Block block{
      .problem = problem,
      .to = to,
      .b = b,
      .g = g,
      .keys = keys,
      .ahead = ahead,
      .wide_k = take(kBackwardKeys * d),
      .wide_v = take(kBackwardKeys * e),
      .wide_q = take(kBackwardQueries * d),
      .wide_dy = take(kBackwardQueries * e),
      .weights = take(kBackwardQueries * kTile),
      .row_sums = take(kBackwardQueries),
      .diagonals = take(to.diagonals == nullptr ? 0 : problem.queries + kBackwardKeys + kTile)};
  // 1. keys and values into tiles
  take_keys(block, take);
  // 2. every query of every head that shares them
  const int64_t group = problem.heads / problem.kv_heads;
  for (int64_t h = g * group; h < (g + 1) * group; ++h) pass_head(block, h, turns);
  // 3. their gradients
  for (int64_t i = 0; i < block.count; ++i) {
    const KeyTile& tile = block.tiles[i];
    write_rows(block, tile, tile.dk, d, to.dk, block.wide_k);
    write_rows(block, tile, tile.dv, e, to.dv, block.wide_v);
  }
}

void add_deltas(const AttentionProblem& problem, const AttentionGradients& gradients, int64_t b,
                int64_t h, int64_t first, int64_t queries) {
  const Floats f;
  const auto part = [&](const AttentionRows<const std::byte>& rows, int64_t t, int64_t i, int64_t n)
                        HWY_ATTR {
                          const std::byte* from = rows.at(b, h, t) + i * size_of(rows.element);
                          if (rows.element == Element::f32)
                            return load(f, reinterpret_cast<const float*>(from), n);
                          HWY_ALIGN float lanes[kLanes] = {};
                          widen(rows.element, from, n, lanes);
                          return hn::Load(f, lanes);
                        };
  for (int64_t t = first; t < first + queries; ++t) {
    const int64_t row = problem.row(b, h, t);
    gradients.delta[row] = sum_vectors(problem.value_dim, [&](int64_t i, int64_t n) HWY_ATTR {
      const Vector y = part(gradients.y, t, i, n), dy = part(gradients.dy, t, i, n);
      // Of a row that sees nothing, whatever dy holds.
      return hn::IfThenZeroElse(hn::Eq(y, hn::Zero(f)), hn::Mul(y, dy));
    });
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t attention_backward_scratch_bytes(const AttentionProblem& problem) {
  constexpr int64_t kWidest = 32;  // lanes of a tile with AVX-512
  const int64_t sizes = problem.head_dim + problem.value_dim;
  const int64_t tiled = kBackwardKeys * (3 * sizes + kBackwardQueries + 1);  // keys in every form
  const int64_t queries = kBackwardQueries * (sizes + kWidest + 1);
  const int64_t diagonals = (problem.queries + kBackwardKeys + kWidest) *
                            (active_isa() == Isa::reference ? 2 : 1);  // the law's are f64
  const int64_t rounding = 16 * (8 + 6 * kBackwardKeys / 8);
  return (tiled + queries + diagonals + rounding) * static_cast<int64_t>(sizeof(float));
}

void attention_deltas(const AttentionProblem& problem, const AttentionGradients& gradients,
                      int64_t b, int64_t h, int64_t first, int64_t queries) {
  if (active_isa() == Isa::reference) {
    return ref::attention_deltas(problem, gradients, b, h, first, queries);
  }
  HEED_DISPATCH(add_deltas)(problem, gradients, b, h, first, queries);
}

void attention_backward(const AttentionProblem& problem, const AttentionGradients& gradients,
                        int64_t b, int64_t g, KeyRange keys, AttentionTurns& turns,
                        std::byte* scratch) {
  if (active_isa() == Isa::reference) {
    return ref::attention_backward(problem, gradients, b, g, keys, turns, scratch);
  }
  HEED_DISPATCH(pass_keys)(problem, gradients, b, g, keys, turns, scratch);
}

}  // namespace heed::kernels
#endif
