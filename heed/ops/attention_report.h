#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/ops/attention.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

// Where attention looked, from inside the fused pass: no T x S matrix is made at any length, and y
// and lse are the same bits as attention()'s. Formulas and sources: docs/math/lens.md. p[t, s] are
// the weights before dropout; a sink takes its share of them but is no key; a query that sees no
// key has 0 everywhere and key -1; of equal weights the lowest key is named. Keys are numbered in
// the whole of S; with segments, positions (and with them distance, first, self and previous)
// restart in each.

/// Keys to add p up over, for every query: those it is asked to find (a name, the tokens that
/// followed earlier copies of this one). Empty starts: one set of keys for all queries; else
/// keys[starts[t]] to keys[starts[t + 1] - 1] for query t, T + 1 starts for every batch row alike
/// or B T + 1 for each its own. Order and repetition do not matter.
struct AttentionKeyList {
  std::vector<int64_t> keys;
  std::vector<int64_t> starts;
};

/// What attention_report is to tell. Everything is off; `all_rows` switches on what costs next to
/// nothing.
struct AttentionReportWant {
  bool entropy = false;
  bool perplexity = false;
  bool max = false;
  bool squares = false;
  bool distance = false;
  bool first = false;
  bool self = false;
  bool previous = false;
  bool received = false;
  int64_t top = 0;                     // largest weights of a row, at most 64
  std::optional<int64_t> window = {};  // a radius: the mass inside and outside of it
  std::vector<AttentionKeyList> lists = {};
  std::vector<int64_t> bins = {};  // n + 1 rising edges of n bins of keys
  int64_t map = 0;                 // at most so many rows and columns, up to 1024
  Progress progress = {};          // blocks of queries done, of all

  /// Every statistic of a row but top, window, lists and bins.
  static AttentionReportWant all_rows();
};

/// Weights pooled over cells of rows x keys. Cell (i, j) is queries [row_edges[i], row_edges[i +
/// 1]) by keys [key_edges[j], key_edges[j + 1]).
struct AttentionMap {
  Tensor sum;        // [B, H, rows, columns], f32
  Tensor mean;       // over all pairs of the cell, hidden ones counted as 0
  Tensor max;        // (of a difference: of its absolute value)
  Tensor row_edges;  // [rows + 1], i64
  Tensor key_edges;  // [columns + 1], i64
};

/// Undefined where not wanted. f32 unless said.
struct AttentionReport {
  Tensor y;    // [B, H, T, E]
  Tensor lse;  // [B, H, T]

  Tensor entropy;      // [B, H, T]: -sum_s p ln p, nats
  Tensor perplexity;   // [B, H, T]: exp(entropy); 0 where no key has mass
  Tensor max;          // [B, H, T]
  Tensor max_key;      // [B, H, T], i64
  Tensor squares;      // [B, H, T]: sum_s p^2
  Tensor distance;     // [B, H, T]: sum_s p |position of t - s|, in positions
  Tensor first;        // [B, H, T]: p of the first key
  Tensor self;         // [B, H, T]: p of the key at the query's own position
  Tensor previous;     // [B, H, T]: p of the key before that
  Tensor top_weights;  // [B, H, T, top], falling
  Tensor top_keys;     // [B, H, T, top], i64
  Tensor inside;       // [B, H, T]: sum of p where |position of t - s| <= window
  Tensor outside;      // [B, H, T]: the rest
  Tensor listed;       // [B, H, T, lists]
  Tensor binned;       // [B, H, T, bins]

  Tensor received;      // [B, H, S]: sum_t p
  Tensor received_max;  // [B, H, S]: max_t p
  Tensor received_top;  // [B, H, S], i64: queries that have the key in their top; with top alone
  AttentionMap map;
};

/// attention() that reports. Errors as attention(), and invalid_argument where `want` cannot be
/// served; cancelled (heed/base/cancel.h) between blocks of queries. Memory beside inputs and
/// outputs: 16 B x S for each of at most 32 runs of queries of the heads in flight where received
/// is wanted, and up to 5 MB a thread, with up to 8,192 keys also a head's keys and values
/// (docs/performance.md).
AttentionReport attention_report(const Tensor& q, const Tensor& k, const Tensor& v,
                                 const AttentionOptions& options, const AttentionReportWant& want);
AttentionReport attention_report(const Tensor& q, const KvPages& pages,
                                 const AttentionOptions& options, const AttentionReportWant& want);

/// "entropy,top8,received,map256,window16" to what is wanted: entropy perplexity max squares
/// distance first self previous received topK mapN windowN, of the last three one each, K and N at
/// least 1 (of windowN 0). Error invalid_argument on any other.
AttentionReportWant parse_attention_report(std::string_view names);

/// Each array that is there under its name: entropy perplexity max max_key squares distance first
/// self previous received received_max, top8_weights top8_keys received_top8, inside16 outside16,
/// listed, binned, map256_sum map256_mean map256_max map256_row_edges map256_key_edges. y and lse
/// are not among them.
NamedTensors named_arrays(const AttentionReport& report, const AttentionReportWant& want);

/// The exact weights of a rectangle, recomputed from q, k and lse: queries [rows.begin, rows.end)
/// by keys [keys.begin, keys.end) -> [B, H, rows, keys]. Error invalid_argument if it does not lie
/// in [0, T] x [0, S].
struct AttentionRange {
  int64_t begin = 0;
  int64_t end = 0;
};
Tensor attention_tile(const Tensor& q, const Tensor& k, const Tensor& lse,
                      const AttentionOptions& options, AttentionRange rows, AttentionRange keys);
Tensor attention_tile(const Tensor& q, const KvPages& pages, const Tensor& lse,
                      const AttentionOptions& options, AttentionRange rows, AttentionRange keys);
/// attention_tile's error for a rectangle that does not lie in that many queries x keys: to ask
/// before the long work that gives lse.
void check_attention_tile(int64_t queries, int64_t keys, AttentionRange of_queries,
                          AttentionRange of_keys);

/// One of two runs that are compared; lse as attention_outputs or attention_report gave it.
struct AttentionRun {
  Tensor q;    // [B, H, T, D]
  Tensor k;    // [B, G, S, D]
  Tensor lse;  // [B, H, T]
  AttentionOptions options = {};
  KvPages pages = {};  // with v, in place of k
};

struct AttentionDivergence {
  /// [B, H, T]: Jensen-Shannon divergence of a's and b's weights, nats: 0 where they agree, ln 2
  /// where they share no key. Over keys: what sinks take is left out.
  Tensor jensen_shannon;
  AttentionMap difference;  // of b's weights - a's; undefined without map
};

/// How far two runs of the same B, H, T and S look to different places: two prompts of one length,
/// two heads (slices of q, k and lse), two checkpoints. Weights are recomputed tile by tile. map as
/// in AttentionReportWant. Error invalid_argument where shapes disagree.
AttentionDivergence attention_divergence(const AttentionRun& a, const AttentionRun& b,
                                         int64_t map = 0, const Progress& progress = {});

}  // namespace heed
