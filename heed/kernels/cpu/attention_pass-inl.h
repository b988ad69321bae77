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

/// Cuts queries [first, first + queries) into tiles and sets all but their memory. How many.
HWY_INLINE int64_t cut_tiles(const Block& block, int64_t first, int64_t queries, Tile* tiles) {
  int64_t count = 0;
  for (int64_t at = 0; at < queries; at += kTile) {
    Tile& tile = tiles[count++];
    tile.first = first + at;
    tile.queries = std::min(kTile, queries - at);
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

/// visit(chunk, jobs, n) for every chunk of keys that a tile sees, in key order, with the tiles
/// that see some of it; then writes the outputs. Once more, carefully, if a value of weight 0 may
/// have spoilt a sum.
template <class Visit>
HWY_INLINE void pass_over_keys(Block& block, Tile* tiles, int64_t count, const Visit& visit) {
  const KeyRange keys = keys_of(block.problem, tiles, count);
  const int64_t grid = keys.begin / kAttentionChunk * kAttentionChunk;
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
