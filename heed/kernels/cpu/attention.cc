// Fused attention, queries in lanes. A tile is up to 2 vectors of queries; scores are kept as
// S^T[key][query], so a key's elements are broadcast and the softmax statistics (maximum, sum) are
// plain vectors: no step of the kernel works across lanes, and a query's bits cannot depend on its
// neighbours. Only q is transposed on the way in and y on the way out; k and v are read as they
// are.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <utility>

#include "heed/kernels/attention.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_softmax-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// Where keys [first, first + n) lie as f32 rows; the block's own copies where they are something
/// else. n <= kAttentionChunk.
Keys find_keys(const Block& block, int64_t first, int64_t n) {
  const AttentionProblem& problem = block.problem;
  const int64_t g = problem.kv_head(block.h);
  const AttentionPages& pages = problem.pages;
  const bool together =
      pages.table == nullptr || first / pages.tokens == (first + n - 1) / pages.tokens;
  if (together && problem.k.element == Element::f32) {
    return {first,
            n,
            reinterpret_cast<const float*>(problem.key_at(problem.k, block.b, g, first)),
            problem.k.row,
            reinterpret_cast<const float*>(problem.key_at(problem.v, block.b, g, first)),
            problem.v.row};
  }
  const int64_t d = problem.head_dim, e = problem.value_dim;
  for (int64_t s = first; s < first + n; ++s) {
    widen(problem.k.element, problem.key_at(problem.k, block.b, g, s), d,
          block.wide_k + (s - first) * d);
    widen(problem.v.element, problem.key_at(problem.v, block.b, g, s), e,
          block.wide_v + (s - first) * e);
  }
  return {first, n, block.wide_k, d, block.wide_v, e};
}

/// One tile over at most kAttentionChunk keys.
template <int kVectors>
void attend_chunk(const Block& block, Tile& tile, const Keys& keys) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  const int64_t n = keys.n;
  const Floats f;
  Vector highest[kVectors];
  Vector factor[kVectors];

  // 1. scores
  for (int i = 0; i < kVectors; ++i) highest[i] = hn::Set(f, kHidden);
  in_strides<kRows>(n, 0, [&](auto count, int64_t s) HWY_ATTR {
    score_rows<count(), kVectors>(tile.q, problem.head_dim, keys.k + s * keys.k_row, keys.k_row,
                                  block.scores + s * kWidth, highest);
  });
  // 2. weights
  weigh<kVectors>(block, tile, keys.first, n, highest, factor, [](int64_t) {});
  // 3. values
  if (block.careful) {
    add_values_carefully<kVectors>(block.scores, n, keys.v, keys.v_row, problem.value_dim,
                                   !tile.started, factor, tile.out);
  } else {
    in_strides<kRows>(problem.value_dim, 0, [&](auto count, int64_t e) HWY_ATTR {
      add_values<count(), kVectors>(block.scores, n, keys.v + e, keys.v_row, !tile.started, factor,
                                    tile.out + e * kWidth);
    });
  }
  tile.started = true;
}

/// The queries of a tile, transposed and scaled.
void take_queries(const Block& block, const Tile& tile) {
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
}

}  // namespace

void attend(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first, int64_t queries,
            std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + (n + 15) / 16 * 16); };
  Block block{.problem = problem,
              .b = b,
              .h = h,
              .careful = false,
              .scores = take(kAttentionChunk * kTile),
              .stage = take(kAttentionChunk * kTile),
              .wide_q = take(kTile * problem.head_dim),
              .wide_y = take(kTile * problem.value_dim),
              .wide_k = take(kAttentionChunk * problem.head_dim),
              .wide_v = take(kAttentionChunk * problem.value_dim)};

  Tile tiles[kMostTiles];
  const int64_t count = cut_tiles(block, first, queries, tiles);
  for (int64_t i = 0; i < count; ++i) {
    Tile& tile = tiles[i];
    tile.q = take(problem.head_dim * kTile);
    tile.out = take(problem.value_dim * kTile);
    tile.highest = take(kTile);
    tile.total = take(kTile);
    take_queries(block, tile);
  }
  pass_over_keys(block, tiles, count, [&](KeyRange chunk, const Job* jobs, int64_t n) {
    const Keys found = find_keys(block, chunk.begin, chunk.end - chunk.begin);
    for (const Job* job = jobs; job != jobs + n; ++job) {
      const Keys keys = found.part(job->keys.begin, job->keys.end);
      job->tile->width == kLanes ? attend_chunk<1>(block, *job->tile, keys)
                                 : attend_chunk<kTileVectors>(block, *job->tile, keys);
    }
  });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t attention_scratch_bytes(int64_t head_dim, int64_t value_dim) {
  constexpr int64_t kWidest = 32;                    // lanes of a tile with AVX-512
  constexpr int64_t kTiles = kAttentionQueries / 8;  // with NEON, the narrowest
  const int64_t sizes = head_dim + value_dim;
  const int64_t floats = 2 * kAttentionChunk * kWidest +
                         (kWidest + kAttentionChunk + kAttentionQueries) * sizes +
                         kTiles * (2 * kWidest + 2 * 16) + 8 * 16;
  return floats * static_cast<int64_t>(sizeof(float));
}

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  if (active_isa() == Isa::reference) return ref::attention(problem, b, h, first, queries, scratch);
  HEED_DISPATCH(attend)(problem, b, h, first, queries, scratch);
}

}  // namespace heed::kernels
#endif
