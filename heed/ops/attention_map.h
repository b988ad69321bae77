#pragma once

#include <cstdint>
#include <vector>

#include "heed/kernels/attention_report.h"
#include "heed/ops/attention_report.h"

namespace heed {

/// Queries [first, end) of a head, done in order by one task.
struct QueryRun {
  int64_t first = 0;
  int64_t end = 0;
};

/// [0, queries) cut in runs of `size`.
std::vector<QueryRun> query_blocks(int64_t queries, int64_t size);

/// Sums over queries are taken run by run and then over runs, and runs are cut by T alone, in whole
/// blocks: the same bits at any thread count. At most 32, so that what each keeps does not grow as
/// T x S.
std::vector<QueryRun> query_runs(int64_t queries, int64_t block);

/// Even edges of min(size, most) bins of [0, size).
std::vector<int64_t> even_edges(int64_t size, int64_t most);

/// Pooled maps of [B, H] heads that grow run by run: written as soon as no run can add to a row, so
/// that only one row is kept in f64.
class AttentionMapPool {
 public:
  /// most: rows and columns at most; 0: no map.
  AttentionMapPool(int64_t batch, int64_t heads, int64_t queries, int64_t keys, int64_t most);
  bool on() const { return key_bins().count > 0 && rows() > 0; }
  int64_t rows() const { return static_cast<int64_t>(row_edges_.size()) - 1; }
  kernels::Bins key_bins() const {
    return {key_edges_.data(), static_cast<int64_t>(key_edges_.size()) - 1};
  }

  /// A run's share: the map's rows that its queries touch.
  struct Share {
    int64_t first_row = 0;
    kernels::Bins row_bins;
    Tensor sum;  // [rows, columns], f64
    Tensor max;  // [rows, columns]
  };
  /// Zeros for queries [first, end) of the whole.
  Share share(int64_t first, int64_t end) const;
  /// Adds a share to head `head` of B x H. Heads come in order, and each one's shares in order of
  /// their queries.
  void add(int64_t head, const Share& share);
  /// What was added up; 0 where nothing was.
  AttentionMap finish();

 private:
  /// Writes the open row, and zeros in those between it and `row`, counted over all heads.
  void advance(int64_t row);

  std::vector<int64_t> row_edges_;
  std::vector<int64_t> key_edges_;
  std::vector<double> inverse_widths_;  // of columns
  int64_t heads_;
  int64_t open_ = 0;              // the row that was added to last
  std::vector<double> open_sum_;  // [columns]
  std::vector<float> open_max_;
  Tensor sum_, mean_, max_;  // [B, H, rows, columns]
};

}  // namespace heed
