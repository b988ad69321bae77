// Backward of fused attention, keys in lanes: a block of keys is packed once, in tiles of up to two
// vectors of keys, and all queries pass by it. What depends on a query (lse, delta, its range) is
// then a scalar, masks are read along their rows, q, dy and dq are rows as they lie in memory, and
// dk and dv stay in tiles from the first query to the last.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_backward.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <limits>
#include <utility>

#include "heed/kernels/attention_backward.h"
#include "heed/kernels/cpu/attention_ahead.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_backward_row-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/dropout-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

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

/// What one row of a tile becomes: its scores and dp to weights (dropout applied) and dx. kPlain:
/// as Block::plain says.
template <int kVectors, bool kPlain>
HWY_INLINE void close_row(const Block& block, const Queries& queries, const KeyTile& tile,
                          int64_t r, const float* scores, const float* dp, const float* kept) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.to;
  const Floats f;
  const Vector delta = hn::Set(f, queries.delta[r]);
  // A row that saw nothing: exp(score - infinity) is 0.
  const bool blind = queries.lse[r] == kHidden;
  const Vector lse = hn::Set(f, blind ? std::numeric_limits<float>::infinity() : queries.lse[r]);
  Vector row_sum = hn::Zero(f);
  HEED_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    const int64_t w = i * kLanes;
    const Lanes at{problem,
                   block.b,
                   queries.h,
                   queries.first + r,
                   block.keys.begin + tile.first + w,
                   std::clamp<int64_t>(tile.n - w, 0, kLanes)};
    Vector score = hn::Load(f, scores + w);
    Vector slope = hn::Set(f, 1.0F);
    if (!kPlain) score = change_scores(at, score, slope);
    score = keep_range(queries.begins[r] - tile.first - w, queries.ends[r] - tile.first - w, score);
    const Vector weight = exp_of_negative(f, hn::Sub(score, lse));
    float* to_weight = block.weights + r * tile.width + w;
    const Vector factor = kPlain || kept == nullptr ? hn::Set(f, 1.0F) : hn::Load(f, kept + w);
    hn::Store(kPlain ? weight : hn::Mul(weight, factor), f, to_weight);
    if (!kPlain && dp == nullptr) continue;
    const auto nothing = hn::Eq(weight, hn::Zero(f));
    Vector gain = hn::Load(f, dp + w);
    if (!kPlain) {  // a dropped pair has no dp, whatever v holds
      gain = hn::IfThenZeroElse(hn::Eq(factor, hn::Zero(f)), hn::Mul(gain, factor));
    }
    const Vector dscore = hn::IfThenZeroElse(nothing, hn::Mul(weight, hn::Sub(gain, delta)));
    Vector dx = hn::Mul(dscore, hn::Set(f, problem.scale));
    if (!kPlain) {
      add_to_pairs(at, to, dscore);
      row_sum = hn::Add(row_sum, dscore);
      hn::Store(hn::Add(hn::Load(f, tile.key_sums + w), dscore), f, tile.key_sums + w);
      if (to.diagonals != nullptr) {
        float* diagonal = block.diagonals + tile.first + w - at.t + problem.queries - 1;
        hn::StoreU(hn::Add(hn::LoadU(f, diagonal), dscore), f, diagonal);
      }
      dx = hn::IfThenZeroElse(nothing, hn::Mul(dx, slope));
    }
    hn::Store(dx, f, tile.dx + r * tile.width + w);
  }
  if (!kPlain) block.row_sums[r] += hn::GetLane(hn::SumOfLanes(f, row_sum));
}

/// Rows [r, r + count) of a tile; scores, dp and kept begin with them.
template <int kVectors, bool kPlain>
void close_rows(const Block& block, const Queries& queries, const KeyTile& tile, int64_t r,
                int64_t count, const float* scores, const float* dp, const float* kept) {
  constexpr int64_t kWidth = kVectors * kLanes;
  for (int64_t i = 0; i < count; ++i) {
    close_row<kVectors, kPlain>(block, queries, tile, r + i, scores + i * kWidth,
                                dp == nullptr ? nullptr : dp + i * kWidth,
                                kept == nullptr ? nullptr : kept + i * kWidth);
  }
}

/// out[w][i] += sum over rows of factors[row][w] x[row][i], for i < size: dk and dv of a tile.
template <int kVectors>
void add_rows(const Block& block, const float* factors, int64_t n, const float* x, int64_t row,
              int64_t size, bool careful, float* out) {
  if (careful) {
    add_values_carefully<kVectors>(factors, n, x, row, size, false, nullptr, out);
    return;
  }
  in_strides<kRows>(size, 0, [&](auto count, int64_t i) HWY_ATTR {
    block.ahead.some();
    add_values<count(), kVectors>(factors, n, x + i, row, false, nullptr,
                                  out + i * kVectors * kLanes);
  });
}

/// Weights and dx of a tile of keys, and what they give to dk and dv.
template <int kVectors>
void pass_tile(const Block& block, const Queries& queries, const KeyTile& tile) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  const bool dropping = problem.dropout.on();
  const bool wanted = block.scores_wanted;
  HWY_ALIGN float scores[kRows * kTile], dp[kRows * kTile], kept[(kRows + 3) * kTile];
  const KeyRange rows = queries.rows_of(tile);
  const int64_t n = rows.end - rows.begin;
  if (n <= 0) return;
  in_strides<kRows>(n, 0, [&](auto count, int64_t at) HWY_ATTR {
    const int64_t r = rows.begin + at;
    block.ahead.some();
    score_rows<count(), kVectors>(tile.k, problem.head_dim, queries.q.at(r), queries.q.row, scores,
                                  nullptr);
    block.ahead.some();
    if (wanted) {
      score_rows<count(), kVectors>(tile.v, problem.value_dim, queries.dy.at(r), queries.dy.row, dp,
                                    nullptr);
    }
    if (dropping) {
      drop_factors(problem.dropout, block.b * problem.heads + queries.h, queries.first + r, count(),
                   block.keys.begin + tile.first, kWidth, kept);
    }
    const auto close = block.plain ? close_rows<kVectors, true> : close_rows<kVectors, false>;
    close(block, queries, tile, r, count(), scores, wanted ? dp : nullptr,
          dropping ? kept : nullptr);
  });
  if (block.to.dv.data != nullptr) {
    add_rows<kVectors>(block, block.weights + rows.begin * kWidth, n, queries.dy.at(rows.begin),
                       queries.dy.row, problem.value_dim, queries.careful, tile.dv);
  }
  if (block.to.dk.data != nullptr) {
    add_rows<kVectors>(block, tile.dx + rows.begin * kWidth, n, queries.q.at(rows.begin),
                       queries.q.row, problem.head_dim, queries.careful, tile.dk);
  }
}

/// dq[r][column + lane] += sum over the tiles' keys of dx[r][key] k[key][column + lane], for kCount
/// rows from r on and kVectors of columns, or `lanes` < kLanes of them.
template <int kCount, int kVectors, bool kPart>
HWY_INLINE void add_keys(const Block& block, int64_t begin, int64_t end, int64_t r, int64_t column,
                         int64_t lanes, float* dq, int64_t dq_row) {
  const Floats f;
  const auto part = hn::FirstN(f, static_cast<size_t>(lanes));
  const auto fetch = [&](const float* p)
                         HWY_ATTR { return kPart ? hn::MaskedLoad(part, f, p) : hn::LoadU(f, p); };
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int i = 0; i < kCount; ++i) {
    HEED_UNROLL
    for (int j = 0; j < kVectors; ++j) sums[i][j] = fetch(dq + i * dq_row + column + j * kLanes);
  }
  for (int64_t at = begin; at < end; ++at) {
    const KeyTile& tile = block.tiles[at];
    const float* dx = tile.dx + r * tile.width;
    const float* k = block.k.at(tile.first) + column;
    for (int64_t s = 0; s < tile.n; ++s, ++dx, k += block.k.row) {
      Vector keys[kVectors];
      HEED_UNROLL
      for (int j = 0; j < kVectors; ++j) keys[j] = fetch(k + j * kLanes);
      HEED_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const Vector factor = hn::Set(f, dx[i * tile.width]);
        HEED_UNROLL
        for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(factor, keys[j], sums[i][j]);
      }
    }
  }
  HEED_UNROLL
  for (int i = 0; i < kCount; ++i) {
    HEED_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      float* to = dq + i * dq_row + column + j * kLanes;
      if constexpr (kPart) {
        hn::BlendedStore(sums[i][j], part, f, to);
      } else {
        hn::StoreU(sums[i][j], f, to);
      }
    }
  }
}

/// add_keys that leaves out pairs of dx = 0: 0 times NaN or infinity is NaN.
void add_keys_carefully(const Block& block, const Queries& queries, int64_t r, float* dq) {
  for (int64_t at = 0; at < block.count; ++at) {
    const KeyTile& tile = block.tiles[at];
    const int64_t end = std::min(tile.n, queries.ends[r] - tile.first);
    for (int64_t s = std::max<int64_t>(0, queries.begins[r] - tile.first); s < end; ++s) {
      const float factor = tile.dx[r * tile.width + s];
      if (factor == 0) continue;
      const float* k = block.k.at(tile.first + s);
      const Floats f;
      for_vectors(block.problem.head_dim, [&](int64_t d, int64_t n) HWY_ATTR {
        store(f, hn::MulAdd(hn::Set(f, factor), load(f, k + d, n), load(f, dq + d, n)), dq + d, n);
      });
    }
  }
}

/// Adds the block's keys to kVectors of columns (or `lanes` < kLanes) of the queries' dq. A strip
/// of k stays in the nearest cache while the rows of dx pass.
template <int kVectors, bool kPart>
void add_to_columns(const Block& block, const Queries& queries, int64_t column, int64_t lanes) {
  const AttentionRows<std::byte>& rows = block.to.dq;
  const int64_t keys = block.keys.end - block.keys.begin;
  in_strides<kRows>(queries.n, 0, [&](auto count, int64_t r) HWY_ATTR {
    if (queries.begins[r] == keys) return;
    block.ahead.some();
    // The tiles that the group of these rows took part in.
    const int64_t begin = queries.begins[r] / kTile;
    const int64_t end = (queries.ends[r + count() - 1] + kTile - 1) / kTile;
    auto* dq = reinterpret_cast<float*>(rows.at(block.b, queries.h, queries.first + r));
    add_keys<count(), kVectors, kPart>(block, begin, end, r, column, lanes, dq, rows.row);
  });
}

void pass_queries(const Block& block, const Queries& queries) {
  const AttentionRows<std::byte>& rows = block.to.dq;
  const int64_t d = block.problem.head_dim;
  for (int64_t r = 0; queries.careful && r < queries.n; ++r) {
    add_keys_carefully(block, queries, r,
                       reinterpret_cast<float*>(rows.at(block.b, queries.h, queries.first + r)));
  }
  if (queries.careful) return;
  int64_t column = 0;
  for (; column + kTile <= d; column += kTile) {
    add_to_columns<kTileVectors, false>(block, queries, column, 0);
  }
  for (; column + kLanes <= d; column += kLanes) {
    add_to_columns<1, false>(block, queries, column, 0);
  }
  if (column < d) add_to_columns<1, true>(block, queries, column, d - column);
}

void add_floats(const float* from, int64_t n, float* to) {
  const Floats f;
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    store(f, hn::Add(load(f, to + i, lanes), load(f, from + i, lanes)), to + i, lanes);
  });
}

/// Calls of RowsAhead::some() beside the products of these queries.
HWY_INLINE int64_t looks_of(const Block& block, const Queries& queries) {
  const int64_t d = block.problem.head_dim, e = block.problem.value_dim;
  int64_t looks = queries.n / kRows * ((d + kTile - 1) / kTile);
  for (int64_t i = 0; i < block.count; ++i) {
    const KeyRange rows = queries.rows_of(block.tiles[i]);
    if (rows.begin < rows.end) looks += (2 * (rows.end - rows.begin) + d + e) / kRows;
  }
  return looks;
}

/// What to ask for beside the products of these queries: what they and their keys give, then the
/// next queries of their head or group or, beside the last, what the next call of a thread that
/// goes over keys and then heads begins with.
void plan_ahead(const Block& block, const Queries& queries) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.to;
  const int64_t b = block.b, g = block.g;
  const int64_t group = problem.heads / problem.kv_heads;
  const bool last_block = queries.first + queries.n == problem.queries;
  const bool last = last_block && queries.h + 1 == (g + 1) * group;
  const bool more = block.keys.end < problem.keys;
  const int64_t h = queries.h + (last_block ? 1 : 0) - (last && more ? group : 0);
  RowsAhead& ahead = block.ahead;
  ahead.clear();
  if (h < problem.heads) {
    const int64_t first = last_block ? 0 : queries.first + queries.n;
    const int64_t end = std::min(first + kBackwardQueries, problem.queries);
    ahead.add(to.dy, b, h, first, end, problem.value_dim);
    ahead.add(problem.q, b, h, first, end, problem.head_dim);
  }
  if (last && h < problem.heads) {
    const int64_t first = more ? block.keys.end : 0;
    const int64_t end = std::min(first + block.keys.end - block.keys.begin, problem.keys);
    ahead.add(problem.v, b, h / group, first, end, problem.value_dim);
    ahead.add(problem.k, b, h / group, first, end, problem.head_dim);
  }
  if (last) {
    ahead.add(to.dv, b, g, block.keys.begin, block.keys.end, problem.value_dim);
    ahead.add(to.dk, b, g, block.keys.begin, block.keys.end, problem.head_dim);
  }
  ahead.add(to.dq, b, queries.h, queries.first, queries.first + queries.n, problem.head_dim);
  ahead.spread(looks_of(block, queries));
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
