#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "heed/kernels/attention_problem.h"

namespace heed::kernels {

// What an attention pass tells about its weights p, beside y and without changing a bit of it.
// Each statistic's formula and its online form: docs/math/lens.md. Weights are those before
// dropout; a sink takes its share of them but is no key. A row that sees no key, or none within 87
// of a sink's logit, has 0 everywhere and key -1. Keys are told apart by their scores; equal ones
// go to the lowest key. Law: kernels::ref::report_row.

/// Bin i is [edges[i], edges[i + 1]); edges never fall and may lie outside of what is there.
struct Bins {
  const int64_t* edges = nullptr;  // [count + 1]
  int64_t count = 0;
};

/// A set of keys for every row: of query t in batch row b, r = b * batch + t * row,
/// keys[starts[r]] to keys[starts[r + 1] - 1], ascending, no key twice.
struct KeyList {
  const int64_t* keys = nullptr;
  const int64_t* starts = nullptr;
  int64_t batch = 0;
  int64_t row = 0;  // 0: one set for all rows
};

struct AttentionReport {
  /// At most so many keys a row in top.
  static constexpr int64_t kMostTop = 64;

  // Of a query row; null where not wanted, at problem.row(b, h, t).
  float* entropy = nullptr;     // -sum p ln p, nats
  float* perplexity = nullptr;  // exp(entropy); 0 where no key has mass
  float* squares = nullptr;     // sum p^2
  float* distance = nullptr;    // sum p |position of the query - s|
  float* first = nullptr;       // p of key 0
  float* self = nullptr;        // p of the key at the query's position
  float* previous = nullptr;    // p of the key before that
  float* max = nullptr;         // largest p
  int64_t* max_key = nullptr;
  float* inside = nullptr;   // sum of p where |position - s| <= window
  float* outside = nullptr;  // the other p
  int64_t window = 0;
  int64_t top = 0;               // <= kMostTop
  float* top_weights = nullptr;  // [row][top], the largest p, falling
  int64_t* top_keys = nullptr;   // [row][top]; -1, with weight 0, where fewer keys are visible
  std::span<const KeyList> lists;
  float* listed = nullptr;  // [row][lists], the sum of p over each list
  Bins bins;
  float* binned = nullptr;  // [row][bins.count], the sum of p over each bin of keys
  /// What is added to a key before it is reported, and taken from those in lists and bins: where a
  /// segment's first key lies in the whole.
  int64_t first_key = 0;
  /// The same of queries, taken from map_rows.
  int64_t first_query = 0;

  // Sums over the rows of one head, added to what is there; null where not wanted.
  double* received = nullptr;       // [S], sum of p over the rows
  float* received_max = nullptr;    // [S]
  int64_t* received_top = nullptr;  // [S], rows that have the key among their top
  Bins map_rows;                    // of query rows
  Bins map_keys;
  double* map_sum = nullptr;  // [map_rows.count][map_keys.count], sum of p over each cell
  float* map_max = nullptr;   // the same, largest p

  /// received needs the rows' totals. Up to so many keys a block's weights are kept until they are
  /// known; beyond, attention_received computes them again.
  static constexpr int64_t kKeptKeys = 8192;
};

/// Queries that one call takes at most with this report: from kAttentionQueries, where it keeps
/// much of each, to kMostAttentionQueries.
int64_t attention_report_queries(const AttentionProblem& problem, const AttentionReport& report);

/// Scratch that attention() needs after its own for problem.report.
int64_t attention_report_scratch_bytes(const AttentionProblem& problem,
                                       const AttentionReport& report);

/// Adds what received wants and attention() with problem.report has left, beyond kKeptKeys keys, of
/// queries [first, first + queries): exp(score - lse[row]) again. problem.lse is read. scratch:
/// attention's, with the report's.
void attention_received(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                        int64_t queries, std::byte* scratch);

/// Weights p of the block [first, first + queries) x [keys.begin, keys.end) of head h in batch row
/// b, recomputed: exp(score - lse[row]), at weights + (t - first) * pitch + (s - keys.begin).
/// problem.lse is read. queries <= kAttentionQueries; scratch: attention_scratch_bytes. Cost: 2 D
/// flops a weight.
void attention_weights(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                       int64_t queries, KeyRange keys, float* weights, int64_t pitch,
                       std::byte* scratch);

/// For n pairs: adds sum of (a ln(2a / (a + b)) + b ln(2b / (a + b))) / 2 to *divergence, the
/// Jensen-Shannon divergence in nats (Lin, "Divergence measures based on the Shannon entropy",
/// 1991) where a and b are whole distributions.
void jensen_shannon(const float* a, const float* b, int64_t n, double* divergence);

namespace ref {
/// Reports row (b, h, t), whose weights are given.
void report_row(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t,
                const double* weights);
void attention_weights(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                       int64_t queries, KeyRange keys, float* weights, int64_t pitch,
                       std::byte* scratch);
void jensen_shannon(const float* a, const float* b, int64_t n, double* divergence);
}  // namespace ref

}  // namespace heed::kernels
