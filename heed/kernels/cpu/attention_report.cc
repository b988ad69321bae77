// Weights recomputed from the rows' lse, and distances between them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_report.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <utility>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_report.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_received-inl.h"
#include "heed/kernels/cpu/attention_scores-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// A block of queries whose rows' lse is known.
struct Queries {
  Block block;
  Tile tiles[kMostTiles];
  int64_t count;
  KeyRange keys;  // that one of them sees
};

template <class Take>
Queries take_known(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                   int64_t queries, const Take& take) {
  Queries known{.block = take_block(problem, b, h, take)};
  known.count = cut_tiles(known.block, first, queries, tile_queries(problem, queries), known.tiles);
  known.keys = keys_of(problem, known.tiles, known.count);
  for (int64_t i = 0; i < known.count; ++i) {
    Tile& tile = known.tiles[i];
    take_tile(known.block, tile, take);
    take_queries(known.block, tile);
    for (int64_t w = 0; w < tile.width; ++w) {
      tile.highest[w] = problem.lse[problem.row(b, h, tile.first + std::min(w, tile.queries - 1))];
    }
  }
  return known;
}

/// block.scores = exp(score - lse) of these keys.
template <int kVectors>
void weigh_again(const Block& block, const Tile& tile, const Keys& keys) {
  const Floats f;
  Vector unused[kVectors];
  multiply_keys<kVectors>(block, tile, keys, unused);
  modify_scores(block, tile, keys.first, keys.n);
  for (int i = 0; i < kVectors; ++i) {
    const Vector base = base_of(hn::Load(f, tile.highest + i * kLanes));
    for (int64_t s = 0; s < keys.n; ++s) {
      float* at = block.scores + (s * kVectors + i) * kLanes;
      hn::Store(exp_of_negative(f, hn::Sub(hn::Load(f, at), base)), f, at);
    }
  }
}

/// visit(tile, keys) for each tile and chunk of [keys.begin, keys.end), its weights in
/// block.scores; done(chunk) after the chunk's last.
template <class Visit, class Done>
void for_known_weights(const Queries& known, KeyRange keys, const Visit& visit, const Done& done) {
  for (int64_t at = keys.begin; at < keys.end; at += kAttentionChunk) {
    const KeyRange chunk{at, std::min(at + kAttentionChunk, keys.end)};
    const Keys found = find_keys(known.block, chunk.begin, chunk.end - chunk.begin);
    for (const Tile* tile = known.tiles; tile != known.tiles + known.count; ++tile) {
      const KeyRange seen{std::max(chunk.begin, tile->keys.begin),
                          std::min(chunk.end, tile->keys.end)};
      if (seen.begin >= seen.end) continue;
      const Keys part = found.part(seen.begin, seen.end);
      tile->width == kLanes ? weigh_again<1>(known.block, *tile, part)
                            : weigh_again<kTileVectors>(known.block, *tile, part);
      visit(*tile, seen);
    }
    done(chunk);
  }
}

}  // namespace

void write_weights(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                   int64_t queries, KeyRange keys, float* weights, int64_t pitch,
                   std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + (n + 15) / 16 * 16); };
  const Queries known = take_known(problem, b, h, first, queries, take);
  for (int64_t t = 0; t < queries; ++t) {
    std::fill_n(weights + t * pitch, keys.end - keys.begin, 0.0F);
  }
  const KeyRange seen{std::max(keys.begin, known.keys.begin), std::min(keys.end, known.keys.end)};
  for_known_weights(
      known, seen,
      [&](const Tile& tile, KeyRange part) HWY_ATTR {
        float* to = weights + (tile.first - first) * pitch + part.begin - keys.begin;
        rows_from_tile(known.block.scores, tile.width, part.end - part.begin, to, pitch,
                       tile.queries);
      },
      [](KeyRange) {});
}

void receive_again(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                   int64_t queries, std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + (n + 15) / 16 * 16); };
  const Queries known = take_known(problem, b, h, first, queries, take);
  const Received received = take_received(take);
  const AttentionReport& report = *problem.report;
  KeyRange chunk{known.keys.begin, 0};
  received.start(kAttentionChunk);
  for_known_weights(
      known, known.keys,
      [&](const Tile& tile, KeyRange part) HWY_ATTR {
        for (int64_t w = 0; w < tile.width; w += kLanes) {
          received.add(known.block.scores + w, tile.width, part.begin - chunk.begin,
                       part.end - part.begin, used_lanes(tile, w));
        }
      },
      [&](KeyRange done) HWY_ATTR {
        received.finish(report, done.begin, done.end - done.begin);
        received.start(kAttentionChunk);
        chunk.begin = done.end;
      });
}

void diverge(const float* a, const float* b, int64_t n, double* divergence) {
  const Floats f;
  // x ln(x / middle), 0 at x = 0
  const auto share = [&](Vector x, Vector middle) HWY_ATTR {
    const Vector product = hn::Mul(x, hn::Log(f, hn::Div(x, middle)));
    return hn::IfThenZeroElse(hn::Eq(x, hn::Zero(f)), product);
  };
  const Vector half = hn::Set(f, 0.5F);
  *divergence += static_cast<double>(sum_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    const Vector x = load(f, a + i, lanes);
    const Vector y = load(f, b + i, lanes);
    const Vector middle = hn::Mul(half, hn::Add(x, y));
    return hn::Mul(half, hn::Add(share(x, middle), share(y, middle)));
  }));
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

namespace {

constexpr int64_t kArrays = 24;  // of a tile, each rounded up to 16 floats

/// Floats that the state of a query takes at most.
int64_t query_floats(const AttentionProblem& problem, const AttentionReport& report) {
  const auto lists = static_cast<int64_t>(report.lists.size());
  const bool kept = report.received != nullptr && problem.keys <= AttentionReport::kKeptKeys;
  int64_t floats =
      kArrays + 3 * lists + 2 * (report.top + 15) + report.bins.count + 2 * report.map_keys.count;
  if (kept) floats += problem.keys;
  if (kept || report.bins.count > 0 || report.map_keys.count > 0) {
    floats += problem.keys / kAttentionChunk + 1;
  }
  return floats;
}

}  // namespace

int64_t attention_report_queries(const AttentionProblem& problem, const AttentionReport& report) {
  // More queries read a chunk's keys less often, until their state no longer stays in L2.
  constexpr int64_t kFloats = 160 * 1024;
  int64_t queries = kMostAttentionQueries;
  while (queries > kAttentionQueries && queries * query_floats(problem, report) > kFloats) {
    queries /= 2;
  }
  return queries;
}

int64_t attention_report_scratch_bytes(const AttentionProblem& problem,
                                       const AttentionReport& report) {
  if (active_isa() == Isa::reference) {
    return problem.keys * static_cast<int64_t>(sizeof(double));
  }
  const int64_t queries = attention_report_queries(problem, report);
  const int64_t tiles = queries / 8;  // with NEON, the narrowest
  const int64_t shared = 2 * kAttentionChunk * 16 + 32 * report.map_keys.count;
  const int64_t floats =
      queries * query_floats(problem, report) + tiles * (kArrays * 16 + 256) + shared;
  return floats * static_cast<int64_t>(sizeof(float));
}

void attention_weights(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                       int64_t queries, KeyRange keys, float* weights, int64_t pitch,
                       std::byte* scratch) {
  if (active_isa() == Isa::reference) {
    return ref::attention_weights(problem, b, h, first, queries, keys, weights, pitch, scratch);
  }
  HEED_DISPATCH(write_weights)(problem, b, h, first, queries, keys, weights, pitch, scratch);
}

void attention_received(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                        int64_t queries, std::byte* scratch) {
  if (active_isa() == Isa::reference || problem.keys <= AttentionReport::kKeptKeys) return;
  HEED_DISPATCH(receive_again)(problem, b, h, first, queries, scratch);
}

void jensen_shannon(const float* a, const float* b, int64_t n, double* divergence) {
  if (active_isa() == Isa::reference) return ref::jensen_shannon(a, b, n, divergence);
  HEED_DISPATCH(diverge)(a, b, n, divergence);
}

}  // namespace heed::kernels
#endif
