#include "heed/ops/attention_map.h"

#include <algorithm>

#include "heed/kernels/attention.h"

namespace heed {

std::vector<QueryRun> query_runs(int64_t queries) {
  constexpr int64_t kMostRuns = 32;
  constexpr int64_t kBlock = kernels::kAttentionQueries;
  const int64_t blocks = (queries + kBlock - 1) / kBlock;
  const int64_t size = (blocks + kMostRuns - 1) / kMostRuns * kBlock;
  std::vector<QueryRun> runs;
  for (int64_t first = 0; first < queries; first += size) {
    runs.push_back({first, std::min(first + size, queries)});
  }
  return runs;
}

std::vector<int64_t> even_edges(int64_t size, int64_t most) {
  const int64_t bins = std::min(size, most);
  std::vector<int64_t> edges{0};
  for (int64_t i = 1; i <= bins; ++i) edges.push_back(i * size / bins);
  return edges;
}

AttentionMapPool::AttentionMapPool(int64_t batch, int64_t heads, int64_t queries, int64_t keys,
                                   int64_t most)
    : batch_(batch),
      heads_(heads),
      row_edges_(even_edges(queries, most)),
      key_edges_(even_edges(keys, most)) {
  const auto cells = static_cast<size_t>(batch * heads * rows() * key_bins().count);
  sum_.assign(cells, 0.0);
  max_.assign(cells, 0.0F);
}

AttentionMapPool::Share AttentionMapPool::share(int64_t first, int64_t end) const {
  Share share;
  if (!on() || first >= end) return share;
  const auto row_of = [&](int64_t query) {
    return std::upper_bound(row_edges_.begin(), row_edges_.end(), query) - row_edges_.begin() - 1;
  };
  share.first_row = row_of(first);
  share.row_bins = {row_edges_.data() + share.first_row, row_of(end - 1) + 1 - share.first_row};
  const auto cells = static_cast<size_t>(share.row_bins.count * key_bins().count);
  share.sum.assign(cells, 0.0);
  share.max.assign(cells, 0.0F);
  return share;
}

void AttentionMapPool::add(int64_t head, const Share& share) {
  const int64_t columns = key_bins().count;
  const auto at = static_cast<size_t>((head * rows() + share.first_row) * columns);
  for (size_t i = 0; i < share.sum.size(); ++i) {
    sum_[at + i] += share.sum[i];
    max_[at + i] = std::max(max_[at + i], share.max[i]);
  }
}

AttentionMap AttentionMapPool::finish() const {
  const int64_t columns = key_bins().count;
  const Shape shape{batch_, heads_, rows(), columns};
  AttentionMap map{.sum = Tensor::empty(shape),
                   .mean = Tensor::empty(shape),
                   .max = Tensor::from(max_, shape),
                   .row_edges = Tensor::from(row_edges_, {rows() + 1}),
                   .key_edges = Tensor::from(key_edges_, {columns + 1})};
  float* sum = map.sum.data<float>();
  float* mean = map.mean.data<float>();
  const double* from = sum_.data();
  for (int64_t head = 0; head < batch_ * heads_; ++head) {
    for (size_t r = 0; r + 1 < row_edges_.size(); ++r) {
      const int64_t height = row_edges_[r + 1] - row_edges_[r];
      for (size_t c = 0; c + 1 < key_edges_.size(); ++c) {
        const auto pairs = static_cast<double>(height * (key_edges_[c + 1] - key_edges_[c]));
        *mean++ = static_cast<float>(*from / pairs);
        *sum++ = static_cast<float>(*from++);
      }
    }
  }
  return map;
}

}  // namespace heed
