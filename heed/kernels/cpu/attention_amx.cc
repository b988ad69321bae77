// Fused attention of bf16 with AMX's tile products, queries in lanes as in attention.cc, whose
// masks, softmax and outputs it shares. Both products have the queries as their columns, S^T = K
// Q^T and O^T += V^T P^T, so the softmax stays a matter of plain vectors, rows of K are a tile's
// rows as they lie in memory, and two rows of weights become one of pairs by a shift. Packed are
// only Q, once a call, and V^T, once a chunk for all queries of a call.
//
// A tile product runs beside the vector instructions that follow it: while the softmax of one tile
// of queries is at work, the scores of the next and the values of the last are multiplied.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_amx.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "heed/kernels/amx.h"
#include "heed/kernels/cpu/attention_amx.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_report-inl.h"
#include "heed/kernels/cpu/attention_scores-inl.h"
#include "heed/kernels/cpu/attention_softmax-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/tiles-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

#if HWY_TARGET == HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;
using Words = hn::RebindToUnsigned<Floats>;
using WordVector = hn::Vec<Words>;

static_assert(kMostTiles * kTile == kAmxQueries && kLanes == 16);

/// Keys, or elements of d, that one tile product takes: 16 pairs.
constexpr int64_t kStep = 32;
static_assert(kAttentionChunk % kStep == 0);  // so that no product reaches into two chunks

constexpr int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/// One call, beside what the vector kernel's has.
struct TileBlock {
  Block block;
  float* next_scores;    // [kAttentionChunk][kTile], of the next tile of queries
  int64_t depth;         // D rounded up to kStep
  int64_t value_rows;    // E rounded up to kTileRows
  float scale;           // what remains of it for the scores: q takes the power of 2
  uint16_t* queries;     // [kTile][depth], rows of q with zeros after D
  uint16_t* keys;        // [kAttentionChunk][depth], keys that are not used where they lie
  uint32_t* interlaced;  // [kStep / 2][value_rows], pairs of rows of v
  uint32_t* values;      // [kAttentionChunk / kStep][value_rows][kStep / 2]: V^T, zeros after E
  uint32_t* weights;     // [kAttentionChunk / 2][width], pairs of keys
};

/// Keys [first, first + n), both multiples of kStep, as rows of depth bf16; zeros for those that do
/// not belong to the chunk.
struct TileKeys {
  KeyRange chunk;
  int64_t first;
  int64_t n;
  const std::byte* k;
  int64_t k_stride_bytes;

  const std::byte* at(int64_t s) const { return k + (s - first) * k_stride_bytes; }
};

/// What of the keys a tile's products take.
KeyRange steps_of(const Job& job) {
  return {job.keys.begin / kStep * kStep, round_up(job.keys.end, kStep)};
}

// ---- packing ----

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
void pack_queries(const TileBlock& b, const Tile& tile, float power) {
  const AttentionProblem& problem = b.block.problem;
  const Floats f;
  for (int64_t w = 0; w < tile.queries; ++w) {
    uint16_t* row = b.queries + w * b.depth;
    std::memcpy(row, problem.q.at(b.block.b, b.block.h, tile.first + w),
                static_cast<size_t>(problem.head_dim) * sizeof(uint16_t));
    std::fill(row + problem.head_dim, row + b.depth, uint16_t{0});
  }
  const Vector powers = hn::Set(f, power);
  tile_from_rows(
      reinterpret_cast<const float*>(b.queries), b.depth / 2, tile.queries, b.depth / 2,
      [&](Vector pairs) HWY_ATTR { return scale_pairs(pairs, powers); }, tile.q, tile.width);
}

/// The keys of a chunk, where they lie if tiles can be loaded from there.
TileKeys find_tile_keys(const TileBlock& b, KeyRange chunk) {
  const AttentionProblem& problem = b.block.problem;
  const AttentionPages& pages = problem.pages;
  const int64_t g = problem.kv_head(b.block.h);
  const int64_t first = chunk.begin / kStep * kStep;
  const int64_t n = round_up(chunk.end, kStep) - first;
  const bool together =
      pages.table == nullptr || chunk.begin / pages.tokens == (chunk.end - 1) / pages.tokens;
  if (together && first == chunk.begin && first + n == chunk.end && b.depth == problem.head_dim) {
    return {chunk, first, n, problem.key_at(problem.k, b.block.b, g, first), 2 * problem.k.row};
  }
  std::fill_n(b.keys, n * b.depth, uint16_t{0});
  for (int64_t s = chunk.begin; s < chunk.end; ++s) {
    std::memcpy(b.keys + (s - first) * b.depth, problem.key_at(problem.k, b.block.b, g, s),
                static_cast<size_t>(problem.head_dim) * sizeof(uint16_t));
  }
  return {chunk, first, n, reinterpret_cast<const std::byte*>(b.keys), 2 * b.depth};
}

constexpr uint32_t kExponent = 0x7f80U;  // all of it set: infinity or NaN
bool is_finite(uint16_t bf16) { return (bf16 & kExponent) != kExponent; }

/// pairs[e] = (first[e], second[e]); null: zeros. careful: zeros for what is not finite.
void interlace(const uint16_t* first, const uint16_t* second, int64_t n, bool careful,
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

/// b.values: the chunk's values, transposed.
void pack_values(const TileBlock& b, const TileKeys& keys) {
  const AttentionProblem& problem = b.block.problem;
  const int64_t g = problem.kv_head(b.block.h);
  const auto row = [&](int64_t s) -> const uint16_t* {
    if (s < keys.chunk.begin || s >= keys.chunk.end) return nullptr;
    return reinterpret_cast<const uint16_t*>(problem.key_at(problem.v, b.block.b, g, s));
  };
  for (int64_t step = 0; step < keys.n; step += kStep) {
    for (int64_t pair = 0; pair < kStep / 2; ++pair) {
      const int64_t s = keys.first + step + 2 * pair;
      uint32_t* to = b.interlaced + pair * b.value_rows;
      interlace(row(s), row(s + 1), problem.value_dim, b.block.careful, to);
      std::fill(to + problem.value_dim, to + b.value_rows, 0U);
    }
    tile_from_rows(
        reinterpret_cast<const float*>(b.interlaced), b.value_rows, kStep / 2, b.value_rows,
        [](Vector pairs) HWY_ATTR { return pairs; },
        reinterpret_cast<float*>(b.values + step / 2 * b.value_rows), kStep / 2);
  }
}

/// b.weights from weights [n][width]: rows of pairs, rounded to nearest bf16. (Of two as near the
/// greater, as adding half does: one weight in 65,536, and half of the instructions. Arithmetic's
/// own NaN stays NaN.)
template <int kVectors>
void pack_weights(const TileBlock& b, const float* weights, int64_t n) {
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

// ---- products ----

/// Scores of keys [s, s + kStep) by the queries of a tile, to out [kStep][width].
template <class Tiles, int kVectors>
void score_keys(const TileBlock& b, const Tile& tile, const TileKeys& keys, int64_t s, float* out) {
  using Sums = TileSums<Tiles, 2, kVectors>;
  const auto* pairs = reinterpret_cast<const uint32_t*>(tile.q);
  Sums::zero();
  for (int64_t d = 0; d < b.depth; d += kStep) {
    Sums::multiply(keys.at(s) + 2 * d, keys.k_stride_bytes, pairs + d / 2 * tile.width, tile.width);
  }
  Sums::store(out, tile.width);
}

/// Adds what keys [begin, end), of the chunk whose first is origin, weigh to rows [e, e + 16 kRows)
/// of a tile's outputs.
template <class Tiles, int kRows, int kVectors>
void weigh_values(const TileBlock& b, const Tile& tile, KeyRange keys, int64_t origin, int64_t e) {
  using Sums = TileSums<Tiles, kRows, kVectors>;
  float* out = tile.out + e * tile.width;
  Sums::load(out, tile.width);
  for (int64_t s = keys.begin; s < keys.end; s += kStep) {
    const uint32_t* values = b.values + ((s - origin) / 2 * b.value_rows + e * kStep / 2);
    Sums::multiply(reinterpret_cast<const std::byte*>(values), 2 * kStep,
                   b.weights + (s - keys.begin) / 2 * tile.width, tile.width);
  }
  Sums::store(out, tile.width);
}

/// Tile products that wait for a softmax to go on beside: scores of the next job and values of the
/// last.
template <class Tiles>
struct Beside {
  const TileBlock& b;
  const TileKeys& keys;
  const Job* next = nullptr;
  int64_t next_key = 0;  // the first without scores
  const Job* last = nullptr;
  int64_t last_row = 0;  // the first of its outputs without this chunk's share

  void start_scores(const Job* job) {
    next = job;
    if (next != nullptr) next_key = steps_of(*next).begin;
  }
  void start_values(const Job* job) {
    last = job;
    last_row = 0;
  }

  /// A few products. Whether there were any left.
  bool step() {
    if (next != nullptr && next_key < next->keys.end) {
      const Tile& tile = *next->tile;
      float* out = b.next_scores + (next_key - steps_of(*next).begin) * tile.width;
      tile.width == kLanes ? score_keys<Tiles, 1>(b, tile, keys, next_key, out)
                           : score_keys<Tiles, 2>(b, tile, keys, next_key, out);
      next_key += kStep;
      return true;
    }
    if (last == nullptr || last_row >= b.value_rows) return false;
    const Tile& tile = *last->tile;
    const bool two = last_row + kTileRows < b.value_rows;
    const auto multiply = tile.width == kLanes
                              ? two ? &weigh_values<Tiles, 2, 1> : &weigh_values<Tiles, 1, 1>
                          : two ? &weigh_values<Tiles, 2, 2>
                                : &weigh_values<Tiles, 1, 2>;
    multiply(b, tile, steps_of(*last), keys.first, last_row);
    last_row += 2 * kTileRows;
    return true;
  }
  void drain() {
    while (step()) {
    }
  }
};

// ---- one tile of queries over one chunk ----

void scale_scores(const TileBlock& b, float* scores, int64_t elements) {
  if (b.scale == 1) return;
  const Floats f;
  const Vector scale = hn::Set(f, b.scale);
  for (int64_t i = 0; i < elements; i += kLanes) {
    hn::Store(hn::Mul(hn::Load(f, scores + i), scale), f, scores + i);
  }
}

/// Makes the outputs so far relative to the new maximum; zeros them before the first chunk.
template <int kVectors>
void rescale_outputs(const TileBlock& b, const Tile& tile, bool first, const Vector* factor) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  if (first) {
    std::fill_n(tile.out, b.value_rows * kWidth, 0.0F);
    return;
  }
  bool same = true;
  for (int i = 0; i < kVectors; ++i) {
    same = same && hn::AllTrue(f, hn::Eq(factor[i], hn::Set(f, 1.0F)));
  }
  if (same) return;
  for (int64_t e = 0; e < b.value_rows; ++e) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      float* at = tile.out + e * kWidth + i * kLanes;
      hn::Store(hn::Mul(hn::Load(f, at), factor[i]), f, at);
    }
  }
}

/// Adds values that are not finite, which pack_values left out, for queries that give them weight.
/// weights: of the job's keys, [n][width].
void add_spoilt_values(const TileBlock& b, const Job& job, const float* weights) {
  const AttentionProblem& problem = b.block.problem;
  const Tile& tile = *job.tile;
  const int64_t g = problem.kv_head(b.block.h);
  for (int64_t s = job.keys.begin; s < job.keys.end; ++s, weights += tile.width) {
    const std::byte* row = problem.key_at(problem.v, b.block.b, g, s);
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      const float value = load_element(Element::bf16, row + 2 * e);
      if (std::isfinite(value)) continue;
      for (int64_t w = 0; w < tile.width; ++w) {
        if (weights[w] != 0) tile.out[e * tile.width + w] += weights[w] * value;
      }
    }
  }
}

/// Scores, in b.block.scores, to weights, ready to be multiplied with values. All that waits beside
/// is done on return.
template <class Tiles, int kVectors>
void attend_job(TileBlock& b, const Job& job, Beside<Tiles>& beside) {
  constexpr int64_t kWidth = kVectors * kLanes;
  Tile& tile = *job.tile;
  const KeyRange steps = steps_of(job);
  const int64_t before = job.keys.begin - steps.begin;
  const int64_t n = job.keys.end - job.keys.begin;
  Vector highest[kVectors];
  Vector factor[kVectors];

  // 1. weights
  Block seen = b.block;
  seen.scores += before * kWidth;
  scale_scores(b, seen.scores, n * kWidth);
  find_highest<kVectors>(seen.scores, n, highest);
  weigh<kVectors>(seen, tile, job.keys.begin, n, highest, factor,
                  [&](int64_t) HWY_ATTR { beside.step(); });
  beside.drain();
  const bool first = !std::exchange(tile.started, true);
  if (b.block.problem.y.data == nullptr) return;  // the report alone is wanted
  // 2. in pairs, 0 for keys that only fill up a product
  std::fill(b.block.scores, seen.scores, 0.0F);
  std::fill(seen.scores + n * kWidth, b.block.scores + (steps.end - steps.begin) * kWidth, 0.0F);
  pack_weights<kVectors>(b, b.block.scores, steps.end - steps.begin);
  // 3. outputs so far
  rescale_outputs<kVectors>(b, tile, first, factor);
  if (b.block.careful) add_spoilt_values(b, job, seen.scores);
}

template <class Tiles>
void attend_chunk(TileBlock& b, KeyRange chunk, const Job* jobs, int64_t n) {
  if (n == 0) return;
  const bool valued = b.block.problem.y.data != nullptr;
  const TileKeys keys = find_tile_keys(b, chunk);
  if (valued) pack_values(b, keys);
  Beside<Tiles> beside{b, keys};
  beside.start_scores(jobs);
  beside.drain();
  for (const Job* job = jobs; job != jobs + n; ++job) {
    std::swap(b.block.scores, b.next_scores);
    beside.start_scores(job + 1 == jobs + n ? nullptr : job + 1);
    job->tile->width == kLanes ? attend_job<Tiles, 1>(b, *job, beside)
                               : attend_job<Tiles, kTileVectors>(b, *job, beside);
    if (valued) beside.start_values(job);
  }
  beside.drain();
}

/// The largest power of 2, at most 1, in the scale: q times it is exact in bf16 (but for the
/// flushing of numbers near 2^-126).
float power_in(float scale) {
  int exponent = 0;
  std::frexp(scale, &exponent);
  return std::ldexp(1.0F, std::min(exponent - 1, 0));
}

template <class Tiles>
void attend_tiles(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                  int64_t queries, std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + round_up(n, 16)); };
  const auto words = [&](int64_t n) { return reinterpret_cast<uint32_t*>(take(n)); };
  const auto halves = [&](int64_t n) { return reinterpret_cast<uint16_t*>(take(n / 2)); };
  const int64_t depth = round_up(problem.head_dim, kStep);
  const int64_t value_rows = round_up(problem.value_dim, kTileRows);
  const float power = power_in(problem.scale);
  TileBlock block{.block = take_block(problem, b, h, take),
                  .next_scores = take(kAttentionChunk * kTile),
                  .depth = depth,
                  .value_rows = value_rows,
                  .scale = problem.scale / power,
                  .queries = halves(kTile * depth),
                  .keys = halves(kAttentionChunk * depth),
                  .interlaced = words(kStep / 2 * value_rows),
                  .values = words(kAttentionChunk / 2 * value_rows),
                  .weights = words(kAttentionChunk / 2 * kTile)};
  Tile tiles[kMostTiles];
  const int64_t count = cut_tiles(block.block, first, queries, tiles);
  for (int64_t i = 0; i < count; ++i) {
    Tile& tile = tiles[i];
    tile.q = take(depth / 2 * kTile);
    tile.out = take(value_rows * kTile);
    tile.highest = take(kTile);
    tile.total = take(kTile);
    pack_queries(block, tile, power);
  }
  prepare_report(block.block, tiles, count, take);
  Tiles::configure();
  pass_over_keys(block.block, tiles, count, [&](KeyRange chunk, const Job* jobs, int64_t n) {
    attend_chunk<Tiles>(block, chunk, jobs, n);
  });
  Tiles::release();
}

}  // namespace

void attend_amx(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                int64_t queries, std::byte* scratch) {
  if (internal::tiles_emulated()) {
    attend_tiles<ScalarTiles>(problem, b, h, first, queries, scratch);
  } else {
    attend_tiles<MachineTiles>(problem, b, h, first, queries, scratch);
  }
}

int64_t amx_scratch_bytes(int64_t head_dim, int64_t value_dim) {
  const int64_t depth = round_up(head_dim, kStep);
  const int64_t value_rows = round_up(value_dim, kTileRows);
  const int64_t tile = depth / 2 * kTile + value_rows * kTile + 2 * kTile;
  const int64_t words = kAttentionChunk * kTile + (kTile + kAttentionChunk) * depth / 2 +
                        (kStep + kAttentionChunk) / 2 * value_rows + kAttentionChunk / 2 * kTile +
                        kMostTiles * tile + 16;
  return words * static_cast<int64_t>(sizeof(uint32_t));
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_AVX3

#if HWY_ONCE
namespace heed::kernels {

bool amx_serves(const AttentionProblem& problem) {
  return active_isa() == Isa::amx && problem.q.element == Element::bf16 &&
         problem.k.element == Element::bf16;
}

void attention_amx([[maybe_unused]] const AttentionProblem& problem, [[maybe_unused]] int64_t b,
                   [[maybe_unused]] int64_t h, [[maybe_unused]] int64_t first,
                   [[maybe_unused]] int64_t queries, [[maybe_unused]] std::byte* scratch) {
#if defined(__x86_64__)
  N_AVX3::attend_amx(problem, b, h, first, queries, scratch);
#endif  // elsewhere Isa::amx cannot be in use
}

int64_t attention_amx_scratch_bytes([[maybe_unused]] int64_t head_dim,
                                    [[maybe_unused]] int64_t value_dim) {
#if defined(__x86_64__)
  return N_AVX3::amx_scratch_bytes(head_dim, value_dim);
#else
  return 0;
#endif
}

}  // namespace heed::kernels
#endif
