// How a call goes over its queries and keys: tiles of queries, chunks of keys, outputs. Included
// once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_PASS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_PASS_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_PASS_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_PASS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/attention_report-inl.h"
#include "heed/kernels/cpu/attention_softmax-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

/// A tile and the keys of one chunk that it sees.
struct Job {
  Tile* tile;
  KeyRange keys;
};

/// Queries of a tile in calls of so many. Each key that any of them sees is multiplied for all of
/// them: where a window is narrow, one vector of queries is spared more than two gain by sharing
/// what is loaded.
HWY_INLINE int64_t tile_queries(const AttentionProblem& problem, int64_t queries) {
  constexpr int64_t kNarrow = 2 * kAttentionChunk;
  const bool narrow = problem.left + problem.right < kNarrow && queries <= kMostTiles * kLanes;
  return narrow ? kLanes : kTile;
}

/// Cuts queries [first, first + queries) into tiles of at most `most` and sets all but their
/// memory. How many.
HWY_INLINE int64_t cut_tiles(const Block& block, int64_t first, int64_t queries, int64_t most,
                             Tile* tiles) {
  int64_t count = 0;
  for (int64_t at = 0; at < queries; at += most) {
    Tile& tile = tiles[count++];
    tile.first = first + at;
    tile.queries = std::min(most, queries - at);
    tile.width = tile.queries <= kLanes ? kLanes : kTile;
    // Both ends of a query's range grow with the query.
    const KeyRange head = visible_keys(block.problem, block.b, tile.first);
    const KeyRange tail = visible_keys(block.problem, block.b, tile.first + tile.queries - 1);
    // Keys go in strides of eight: a few hidden ones in front cost less than an odd number of them.
    tile.keys = {head.begin / 8 * 8, tail.end};
    tile.common = {tail.begin, head.end};
  }
  return count;
}

/// The keys that any of the tiles sees.
HWY_INLINE KeyRange keys_of(const AttentionProblem& problem, const Tile* tiles, int64_t count) {
  KeyRange keys{problem.keys, 0};
  for (const Tile* tile = tiles; tile != tiles + count; ++tile) {
    if (tile->keys.begin >= tile->keys.end) continue;
    keys.begin = std::min(keys.begin, tile->keys.begin);
    keys.end = std::max(keys.end, tile->keys.end);
  }
  return keys;
}

/// Calls of Block::look_ahead in a job.
HWY_INLINE int64_t looks_of(const AttentionProblem& problem) {
  return (kAttentionChunk + problem.value_dim) / kRows;
}

/// What to ask for beside the products of a job: the masks of the next one, or of the first one
/// with the next chunk.
HWY_INLINE void plan_masks(const Block& block, const Job* job, const Job* jobs, int64_t n) {
  RowsAhead& ahead = *block.masks_ahead;
  ahead.clear();
  const bool last = job + 1 == jobs + n;
  const Tile& tile = last ? *jobs->tile : *job[1].tile;
  const int64_t first = last ? jobs->keys.end : job[1].keys.begin;
  const int64_t end = last ? std::min(first + kAttentionChunk, tile.keys.end) : job[1].keys.end;
  if (first >= end) return;
  for (const AttentionMask& mask : block.problem.masks) {
    if (mask.query == 0 || mask.key != 1) continue;
    const int64_t corner = mask.offset(block.b, block.h, tile.first, first);
    mask.bias != nullptr ? ahead.add(mask.bias + corner, mask.query, tile.queries, end - first)
                         : ahead.add(mask.visible + corner, mask.query, tile.queries, end - first);
  }
  ahead.spread(looks_of(block.problem));
}

/// What to ask for beside the products of a chunk's `jobs` jobs: the keys and values of the chunk
/// after it or, beside the last, these queries' outputs and what the next call of a thread that
/// goes over blocks of queries and then heads begins with.
HWY_INLINE void plan_ahead(const Block& block, KeyRange queries, KeyRange left, int64_t jobs) {
  const AttentionProblem& problem = block.problem;
  RowsAhead& ahead = *block.ahead;
  ahead.clear();
  if (problem.pages.table != nullptr) return;  // whose pages lie together
  int64_t h = block.h;
  if (left.begin >= left.end) {
    ahead.add(problem.y, block.b, h, queries.begin, queries.end, problem.value_dim);
    const bool more = queries.end < problem.queries;
    if (!more && ++h == problem.heads) return;
    const int64_t first = more ? queries.end : 0;
    const int64_t last = std::min(first + queries.end - queries.begin, problem.queries);
    ahead.add(problem.q, block.b, h, first, last, problem.head_dim);
    left = visible_keys(problem, block.b, first);
  }
  const int64_t chunk_end = left.begin / kAttentionChunk * kAttentionChunk + kAttentionChunk;
  const int64_t g = problem.kv_head(h), end = std::min(left.end, chunk_end);
  ahead.add(problem.k, block.b, g, left.begin, end, problem.head_dim);
  ahead.add(problem.v, block.b, g, left.begin, end, problem.value_dim);
  ahead.spread(jobs * looks_of(problem));
}

/// visit(chunk, jobs, n) for every chunk of keys that a tile sees, in key order, with the tiles
/// that see some of it; then writes the outputs. Once more, carefully, if a value of weight 0 may
/// have spoilt a sum.
template <class Visit>
HWY_INLINE void pass_over_keys(Block& block, Tile* tiles, int64_t count, const Visit& visit) {
  const KeyRange keys = keys_of(block.problem, tiles, count);
  const int64_t grid = keys.begin / kAttentionChunk * kAttentionChunk;
  const KeyRange queries{tiles->first, tiles[count - 1].first + tiles[count - 1].queries};
  for (bool again = true; again;) {
    for (int64_t at = grid; at < keys.end; at += kAttentionChunk) {
      const KeyRange chunk{std::max(at, keys.begin), std::min(at + kAttentionChunk, keys.end)};
      Job jobs[kMostTiles];
      int64_t n = 0;
      for (Tile* tile = tiles; tile != tiles + count; ++tile) {
        const KeyRange seen{std::max(chunk.begin, tile->keys.begin),
                            std::min(chunk.end, tile->keys.end)};
        if (seen.begin < seen.end) jobs[n++] = {tile, seen};
      }
      if (block.ahead != nullptr) plan_ahead(block, queries, {chunk.end, keys.end}, n);
      visit(chunk, jobs, n);
    }
    bool finite = true;
    for (Tile* tile = tiles; tile != tiles + count; ++tile) {
      finite = finish(block, *tile) && finite;
      tile->started = false;
    }
    again = !finite && !block.careful;
    block.careful = true;
  }
  finish_report(block, tiles, count, keys);
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
