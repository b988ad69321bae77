// What a tile of queries learns about its weights while attention passes over the keys, queries in
// lanes. Sums are kept relative to the running maximum, as the outputs are, and become weights when
// the rows' totals are known. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_REPORT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_REPORT_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_REPORT_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_REPORT_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <memory>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_report.h"
#include "heed/kernels/cpu/attention_bins-inl.h"
#include "heed/kernels/cpu/attention_received-inl.h"
#include "heed/kernels/cpu/attention_soften-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/attention_top-inl.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

/// What a tile carries for the report, each [width] and relative to tile.highest unless said.
struct TileReport {
  float* visible;   // sum of weights, the sink's left out
  float* entropy;   // sum of weight * (score - highest)
  float* squares;   // relative to 2 * highest
  float* distance;  // sum of weight * |position - s|
  float* first;
  float* self;
  float* previous;
  float* inside;
  float* listed;     // [lists][width]
  int64_t* cursors;  // [lists][width], the next entry of a query's list
  TileTop top;
  TileBins bins;
  TileBins map;
  // [chunks][width], the maximum that was running in each, in the end what weights relative to it
  // must be multiplied by; null where nothing is relative to a chunk's.
  float* highest;
  float* kept;  // [S][width], weights relative to their chunk's highest; null: not kept
};

constexpr int64_t kMostTiles = 16;  // of a call
static_assert(kMostTiles * kTile >= kAttentionQueries);

/// The measures of a row that cost a pass over its weights.
HWY_INLINE bool measures(const AttentionReport& report) {
  return report.entropy != nullptr || report.perplexity != nullptr || report.squares != nullptr ||
         report.distance != nullptr;
}

/// How many of a query's largest weights are kept: max is one.
HWY_INLINE int64_t top_of(const AttentionReport& report) {
  const bool max = report.max != nullptr || report.max_key != nullptr;
  return std::max<int64_t>(report.top, max ? 1 : 0);
}

HWY_INLINE void start_report(const Block& block, const Tile& tile) {
  const AttentionReport& report = *block.problem.report;
  TileReport& state = *tile.report;
  for (float* sums : {state.visible, state.entropy, state.squares, state.distance, state.first,
                      state.self, state.previous, state.inside}) {
    std::fill_n(sums, tile.width, 0.0F);
  }
  const auto lists = static_cast<int64_t>(report.lists.size());
  std::fill_n(state.listed, lists * tile.width, 0.0F);
  for (int64_t i = 0; i < lists; ++i) {
    const KeyList& list = report.lists[static_cast<size_t>(i)];
    for (int64_t w = 0; w < tile.queries; ++w) {
      state.cursors[i * tile.width + w] =
          list.starts[block.b * list.batch + (tile.first + w) * list.row];
    }
  }
  state.top.start(tile.width);
  state.bins.start();
  state.map.start();
}

/// soften, and sums of weight * exponent, weight^2 and weight * distance beside it.
template <int kVectors, class Between>
HWY_INLINE void soften_and_measure(const Block& block, const Tile& tile, int64_t first, int64_t n,
                                   const Vector* chunk_highest, Vector* factor,
                                   const Between& between) {
  const Floats f;
  TileReport& state = *tile.report;
  // position: relative to the key at hand. Queries are neighbours.
  const int64_t ahead = block.problem.position(block.b, tile.first) - first;
  const Vector lowest = hn::Set(f, -87.0F);  // of an exponent whose weight is not 0
  const Vector one = hn::Set(f, 1.0F);
  Vector before[kVectors], total[kVectors], position[kVectors];
  Vector entropy[kVectors], squares[kVectors], distance[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    before[i] = tile.started ? base_of(hn::Load(f, tile.highest + i * kLanes)) : hn::Zero(f);
    total[i] = tile.started ? hn::Load(f, tile.total + i * kLanes) : hn::Zero(f);
    position[i] =
        hn::Add(hn::Set(f, static_cast<float>(ahead)), hn::Iota(f, static_cast<float>(i * kLanes)));
    entropy[i] = squares[i] = distance[i] = hn::Zero(f);
  }
  soften<kVectors>(block, tile, n, chunk_highest, factor, between,
                   [&](int64_t /*s*/, int i, Vector weight, Vector exponent) HWY_ATTR {
                     const Vector away = hn::Abs(position[i]);
                     position[i] = hn::Sub(position[i], one);
                     entropy[i] = hn::MulAdd(weight, hn::Max(exponent, lowest), entropy[i]);
                     squares[i] = hn::MulAdd(weight, weight, squares[i]);
                     distance[i] = hn::MulAdd(weight, away, distance[i]);
                   });
  for (int i = 0; i < kVectors; ++i) {
    const int64_t at = i * kLanes;
    // Exponents of earlier weights fall by what the maximum rose.
    const Vector rise = hn::Sub(base_of(hn::Load(f, tile.highest + at)), before[i]);
    const Vector fallen = hn::NegMulAdd(total[i], rise, hn::Load(f, state.entropy + at));
    hn::Store(hn::MulAdd(fallen, factor[i], entropy[i]), f, state.entropy + at);
    hn::Store(
        hn::MulAdd(hn::Load(f, state.squares + at), hn::Mul(factor[i], factor[i]), squares[i]), f,
        state.squares + at);
    hn::Store(hn::MulAdd(hn::Load(f, state.distance + at), factor[i], distance[i]), f,
              state.distance + at);
  }
}

template <int kVectors>
HWY_INLINE void rescale(float* sums, const Vector* factor) {
  const Floats f;
  for (int i = 0; i < kVectors; ++i) {
    hn::Store(hn::Mul(hn::Load(f, sums + i * kLanes), factor[i]), f, sums + i * kLanes);
  }
}

/// Takes the weight of the key `back` before each query's position into picked.
HWY_INLINE void pick(const Block& block, const Tile& tile, int64_t first, int64_t n, int64_t back,
                     float* picked) {
  const int64_t ahead = block.problem.position(block.b, tile.first) - back - first;
  for (int64_t w = std::max<int64_t>(0, -ahead); w < tile.queries && ahead + w < n; ++w) {
    picked[w] = block.scores[(ahead + w) * tile.width + w];
  }
}

/// Adds the weights of keys within the window around each query.
template <int kVectors>
HWY_INLINE void add_inside(const Block& block, const Tile& tile, int64_t first, int64_t n,
                           float* inside) {
  const Floats f;
  const int64_t ahead = block.problem.position(block.b, tile.first) - first;
  const int64_t window = block.problem.report->window;
  const int64_t begin = std::max<int64_t>(0, ahead - window);
  const int64_t end = std::min(n, ahead + tile.queries + window);
  const Vector radius = hn::Set(f, static_cast<float>(window));
  for (int i = 0; i < kVectors; ++i) {
    const Vector position =
        hn::Add(hn::Set(f, static_cast<float>(ahead)), hn::Iota(f, static_cast<float>(i * kLanes)));
    Vector sum = hn::Load(f, inside + i * kLanes);
    for (int64_t s = begin; s < end; ++s) {
      const Vector away = hn::Abs(hn::Sub(position, hn::Set(f, static_cast<float>(s))));
      const Vector weight = hn::Load(f, block.scores + (s * kVectors + i) * kLanes);
      sum = hn::Add(sum, hn::IfThenElseZero(hn::Le(away, radius), weight));
    }
    hn::Store(sum, f, inside + i * kLanes);
  }
}

template <int kVectors>
HWY_INLINE void add_listed(const Block& block, const Tile& tile, int64_t first, int64_t n,
                           const Vector* factor) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionReport& report = *block.problem.report;
  for (size_t i = 0; i < report.lists.size(); ++i) {
    const KeyList& list = report.lists[i];
    float* sums = tile.report->listed + static_cast<int64_t>(i) * kWidth;
    int64_t* cursors = tile.report->cursors + static_cast<int64_t>(i) * kWidth;
    rescale<kVectors>(sums, factor);
    for (int64_t w = 0; w < tile.queries; ++w) {
      const int64_t row = block.b * list.batch + (tile.first + w) * list.row;
      int64_t& at = cursors[w];
      for (; at < list.starts[row + 1]; ++at) {
        const int64_t s = list.keys[at] - report.first_key - first;
        if (s >= n) break;
        if (s >= 0) sums[w] += block.scores[s * kWidth + w];
      }
    }
  }
}

/// Scores of keys [first, first + n) to weights, as soften does, and what the report wants of both.
template <int kVectors, class Between>
HWY_INLINE void report_chunk(const Block& block, const Tile& tile, int64_t first, int64_t n,
                             const Vector* highest, Vector* factor, const Between& between) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  const AttentionReport& report = *block.problem.report;
  TileReport& state = *tile.report;
  if (!tile.started) start_report(block, tile);
  if (state.top.size > 0) find_top<kVectors>(state.top, block.scores, first, n, highest);
  if (measures(report)) {
    soften_and_measure<kVectors>(block, tile, first, n, highest, factor, between);
  } else {
    soften<kVectors>(block, tile, n, highest, factor, between, Nothing());
  }
  for (int i = 0; i < kVectors; ++i) {
    hn::Store(hn::Load(f, tile.total + i * kLanes), f, state.visible + i * kLanes);
  }
  for (float* sums : {state.first, state.self, state.previous, state.inside}) {
    rescale<kVectors>(sums, factor);
  }
  if (first == 0) std::copy_n(block.scores, kWidth, state.first);
  pick(block, tile, first, n, 0, state.self);
  pick(block, tile, first, n, 1, state.previous);
  if (report.inside != nullptr) add_inside<kVectors>(block, tile, first, n, state.inside);
  add_listed<kVectors>(block, tile, first, n, factor);
  add_to_bins<kVectors>(state.bins, block.scores, first, n, factor);
  add_to_bins<kVectors>(state.map, block.scores, first, n, factor);
  if (state.highest != nullptr) {
    std::copy_n(tile.highest, kWidth, state.highest + first / kAttentionChunk * kWidth);
  }
  if (state.kept == nullptr || block.scores == state.kept + first * kWidth) return;
  std::copy_n(block.scores, n * kWidth, state.kept + first * kWidth);
}

/// Where a tile's scores of keys from first on go: where its weights are kept, if they are.
HWY_INLINE float* chunk_scores(const Block& block, const Tile& tile, int64_t first,
                               float* otherwise) {
  if (tile.report == nullptr || tile.report->kept == nullptr) return otherwise;
  if (block.problem.dropout.on()) return otherwise;  // it takes some of them away
  return tile.report->kept + first * tile.width;
}

/// values[w] = sums[w] times what makes weights of them.
HWY_INLINE void finish_sums(const Block& block, const Tile& tile, const float* sums,
                            float* values) {
  if (values == nullptr) return;
  const Floats f;
  values += block.problem.row(block.b, block.h, tile.first);
  for_vectors(tile.queries, [&](int64_t w, int64_t n) HWY_ATTR {
    store(f, hn::Mul(hn::Load(f, sums + w), hn::Load(f, tile.total + w)), values + w, n);
  });
}

HWY_INLINE void finish_entropy(const Block& block, const Tile& tile) {
  const AttentionReport& report = *block.problem.report;
  const TileReport& state = *tile.report;
  const Floats f;
  const Vector zero = hn::Zero(f);
  const int64_t row = block.problem.row(block.b, block.h, tile.first);
  for_vectors(tile.queries, [&](int64_t w, int64_t n) HWY_ATTR {
    const Vector inverse = hn::Load(f, tile.total + w);
    const Vector visible = hn::Load(f, state.visible + w);
    const auto none = hn::Eq(hn::Mul(inverse, visible), zero);
    // ln p = exponent + ln inverse; rounding may take the sum above 0
    const Vector sum =
        hn::Add(hn::Load(f, state.entropy + w), hn::Mul(visible, hn::Log(f, inverse)));
    const Vector negative =
        hn::IfThenZeroElse(hn::Or(none, hn::Gt(sum, zero)), hn::Mul(inverse, sum));
    if (report.entropy != nullptr) store(f, hn::Sub(zero, negative), report.entropy + row + w, n);
    if (report.perplexity == nullptr) return;
    const Vector perplexity = hn::Div(hn::Set(f, 1.0F), exp_of_negative(f, negative));
    store(f, hn::IfThenZeroElse(none, perplexity), report.perplexity + row + w, n);
  });
}

HWY_INLINE void finish_inside(const Block& block, const Tile& tile) {
  const AttentionReport& report = *block.problem.report;
  const TileReport& state = *tile.report;
  const Floats f;
  const int64_t row = block.problem.row(block.b, block.h, tile.first);
  for_vectors(tile.queries, [&](int64_t w, int64_t n) HWY_ATTR {
    const Vector inverse = hn::Load(f, tile.total + w);
    const Vector inside = hn::Load(f, state.inside + w);
    const Vector rest = hn::Max(hn::Sub(hn::Load(f, state.visible + w), inside), hn::Zero(f));
    store(f, hn::Mul(inside, inverse), report.inside + row + w, n);
    store(f, hn::Mul(rest, inverse), report.outside + row + w, n);
  });
}

/// The largest weights of row w and their keys. The first score is the tile's highest, so its
/// weight is 1 before the total.
HWY_INLINE void finish_top(const Block& block, const Tile& tile, int64_t w) {
  const AttentionReport& report = *block.problem.report;
  const TileTop& top = tile.report->top;
  const Floats f;
  const int64_t row = block.problem.row(block.b, block.h, tile.first + w);
  const float inverse = tile.total[w];
  const int32_t* keys = top.keys + w * top.places();
  // Beside a sink that takes all, no key has a weight.
  const auto named = [&](int64_t key) {
    return key < 0 || inverse == 0 ? int64_t{-1} : key + report.first_key;
  };
  if (report.max != nullptr) report.max[row] = inverse;
  if (report.max_key != nullptr) report.max_key[row] = named(keys[0]);
  if (report.top == 0) return;
  float* weights = report.top_weights + row * report.top;
  if (top.size == 1) {
    weights[0] = inverse;
  } else {
    const float* scores = top.scores + w * top.places();
    const Vector base = base_of(hn::Set(f, tile.highest[w]));
    for_vectors(report.top, [&](int64_t i, int64_t n) HWY_ATTR {
      const Vector weight = exp_of_negative(f, hn::Sub(hn::Load(f, scores + i), base));
      store(f, hn::Mul(weight, hn::Set(f, inverse)), weights + i, n);
    });
  }
  for (int64_t i = 0; i < report.top; ++i) {
    const int64_t key = named(keys[i]);
    report.top_keys[row * report.top + i] = key;
    if (report.received_top != nullptr && key >= 0) ++report.received_top[keys[i]];
  }
}

/// The statistics of a tile's rows, once tile.total is what its weights must be multiplied by.
HWY_INLINE void finish_rows(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  const AttentionReport& report = *problem.report;
  const TileReport& state = *tile.report;
  const int64_t row = problem.row(block.b, block.h, tile.first);
  if (report.entropy != nullptr || report.perplexity != nullptr) finish_entropy(block, tile);
  if (report.squares != nullptr) {
    for (int64_t w = 0; w < tile.width; ++w) state.squares[w] *= tile.total[w];
  }
  finish_sums(block, tile, state.squares, report.squares);
  finish_sums(block, tile, state.distance, report.distance);
  finish_sums(block, tile, state.first, report.first);
  finish_sums(block, tile, state.self, report.self);
  finish_sums(block, tile, state.previous, report.previous);
  if (report.inside != nullptr) finish_inside(block, tile);
  const auto lists = static_cast<int64_t>(report.lists.size());
  for (int64_t w = 0; w < tile.queries; ++w) {
    for (int64_t i = 0; i < lists; ++i) {
      report.listed[(row + w) * lists + i] = state.listed[i * tile.width + w] * tile.total[w];
    }
    if (state.top.size > 0) finish_top(block, tile, w);
  }
  if (report.binned != nullptr) {
    finish_bins(state.bins, tile, state.highest, report.binned + row * report.bins.count);
  }
  if (report.map_sum != nullptr) finish_map(state.map, tile, state.highest, report);
}

/// A vector of queries whose weights were kept, over one chunk.
struct KeptColumn {
  const float* weights;  // of the chunk's first key, rows `row` apart
  int64_t row;
  KeyRange keys;  // of the chunk, that its tile saw
  Vector scale;
};

/// Adds n keys from first on to what the head's keys received.
HWY_INLINE void receive_columns(const AttentionReport& report, const KeptColumn* columns,
                                int64_t count, int64_t first, int64_t n) {
  const Floats f;
  for (int64_t s = 0; s < n; s += kReceivedKeys) {
    Vector sums[kReceivedKeys], highs[kReceivedKeys];
    HEED_UNROLL
    for (int64_t i = 0; i < kReceivedKeys; ++i) sums[i] = highs[i] = hn::Zero(f);
    const auto add = [&](const KeptColumn& column, int64_t i) HWY_ATTR {
      const float* weights = column.weights + (s + i) * column.row;
      const Vector weight = hn::Mul(hn::Load(f, weights), column.scale);
      sums[i] = hn::Add(sums[i], weight);
      highs[i] = hn::Max(highs[i], weight);
    };
    for (const KeptColumn* column = columns; column != columns + count; ++column) {
      if (column->keys.begin <= s && s + kReceivedKeys <= column->keys.end) {
        HEED_UNROLL
        for (int64_t i = 0; i < kReceivedKeys; ++i) add(*column, i);
        continue;
      }
      HEED_UNROLL
      for (int64_t i = 0; i < kReceivedKeys; ++i) {
        if (column->keys.begin <= s + i && s + i < column->keys.end) add(*column, i);
      }
    }
    receive(report, first + s, std::min(kReceivedKeys, n - s), sums, highs);
  }
}

/// Attention received from the block's queries, from the weights kept, once the rows' totals are
/// known.
HWY_INLINE void receive_kept(const Block& block, const Tile* tiles, int64_t count, KeyRange keys) {
  const Floats f;
  KeptColumn columns[kMostTiles * kTileVectors] = {};
  const int64_t grid = keys.begin / kAttentionChunk * kAttentionChunk;
  for (int64_t at = grid; at < keys.end; at += kAttentionChunk) {
    const KeyRange chunk{std::max(at, keys.begin), std::min(at + kAttentionChunk, keys.end)};
    int64_t used = 0;
    for (const Tile* tile = tiles; tile != tiles + count; ++tile) {
      const KeyRange seen{std::max(chunk.begin, tile->keys.begin) - chunk.begin,
                          std::min(chunk.end, tile->keys.end) - chunk.begin};
      if (seen.begin >= seen.end) continue;
      const float* scales = tile->report->highest + at / kAttentionChunk * tile->width;
      for (int64_t w = 0; w < tile->width; w += kLanes) {
        const Vector scale = hn::Mul(hn::Load(f, scales + w), used_lanes(*tile, w));
        columns[used++] = {tile->report->kept + chunk.begin * tile->width + w, tile->width, seen,
                           scale};
      }
    }
    receive_columns(*block.problem.report, columns, used, chunk.begin, chunk.end - chunk.begin);
  }
}

/// Gives every tile a state, in scratch behind the rest, if there is a report.
template <class Take>
HWY_INLINE void prepare_report(const Block& block, Tile* tiles, int64_t count, const Take& take) {
  const AttentionProblem& problem = block.problem;
  if (problem.report == nullptr) return;
  const AttentionReport& report = *problem.report;
  const auto lists = static_cast<int64_t>(report.lists.size());
  const bool keep = report.received != nullptr && problem.keys <= AttentionReport::kKeptKeys;
  const auto take_keys = [&](int64_t n) {
    return reinterpret_cast<int64_t*>(take(n * static_cast<int64_t>(sizeof(int64_t) / 4)));
  };
  const bool by_chunk = keep || report.bins.count > 0 || report.map_keys.count > 0;
  float* rows = take(report.map_keys.count * kTile);
  for (int64_t i = 0; i < count; ++i) {
    Tile& tile = tiles[i];
    constexpr auto kSize = static_cast<int64_t>(sizeof(TileReport) / sizeof(float));
    TileReport& state = *std::construct_at(reinterpret_cast<TileReport*>(take(kSize)));
    for (float** sums : {&state.visible, &state.entropy, &state.squares, &state.distance,
                         &state.first, &state.self, &state.previous, &state.inside}) {
      *sums = take(tile.width);
    }
    state.listed = take(lists * tile.width);
    state.cursors = take_keys(lists * tile.width);
    state.top.size = top_of(report);
    const int64_t places = state.top.places() * tile.width;
    state.top.scores = take(places);
    state.top.keys = reinterpret_cast<int32_t*>(take(places));
    state.top.smallest = take(tile.width);
    const auto take_bins = [&](const Bins& bins, bool map) {
      const auto take_all = [&] { return take(bins.count * tile.width); };
      return TileBins{.bins = bins,
                      .first_key = report.first_key,
                      .sums = take_all(),
                      .highs = map ? take_all() : nullptr,
                      .rows = map ? rows : nullptr};
    };
    state.bins = take_bins(report.bins, false);
    state.map = take_bins(report.map_keys, true);
    const int64_t chunks = (problem.keys + kAttentionChunk - 1) / kAttentionChunk;
    state.highest = by_chunk ? take(chunks * tile.width) : nullptr;
    state.kept = keep ? take(problem.keys * tile.width) : nullptr;
    tile.report = &state;
    start_report(block, tile);
  }
}

/// Writes what the tiles learned, once their totals are what weights must be multiplied by. keys:
/// those that any tile saw.
HWY_INLINE void finish_report(const Block& block, const Tile* tiles, int64_t count, KeyRange keys) {
  if (block.problem.report == nullptr) return;
  for (int64_t i = 0; i < count; ++i) {
    if (tiles[i].report->highest != nullptr) scale_chunks(tiles[i], tiles[i].report->highest);
    finish_rows(block, tiles[i]);
  }
  if (count > 0 && tiles[0].report->kept != nullptr) receive_kept(block, tiles, count, keys);
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
