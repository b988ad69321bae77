#include "heed/ops/attention_map.h"

#include <algorithm>

namespace heed {

std::vector<QueryRun> query_blocks(int64_t queries, int64_t size) {
  std::vector<QueryRun> runs;
  for (int64_t first = 0; first < queries; first += size) {
    runs.push_back({first, std::min(first + size, queries)});
  }
  return runs;
}

std::vector<QueryRun> query_runs(int64_t queries, int64_t block) {
  constexpr int64_t kMostRuns = 32;
  const int64_t blocks = (queries + block - 1) / block;
  return query_blocks(queries, (blocks + kMostRuns - 1) / kMostRuns * block);
}

std::vector<int64_t> even_edges(int64_t size, int64_t most) {
  const int64_t bins = std::min(size, most);
  std::vector<int64_t> edges{0};
  for (int64_t i = 1; i <= bins; ++i) edges.push_back(i * size / bins);
  return edges;
}

AttentionMapPool::AttentionMapPool(int64_t batch, int64_t heads, int64_t queries, int64_t keys,
                                   int64_t most)
    : row_edges_(even_edges(queries, most)),
      key_edges_(even_edges(keys, most)),
      heads_(batch * heads),
      open_sum_(static_cast<size_t>(key_bins().count)),
      open_max_(open_sum_.size()) {
  const Shape shape{batch, heads, rows(), key_bins().count};
  for (Tensor* tensor : {&sum_, &mean_, &max_}) *tensor = Tensor::empty(shape);
  for (size_t c = 0; c + 1 < key_edges_.size(); ++c) {
    inverse_widths_.push_back(1.0 / static_cast<double>(key_edges_[c + 1] - key_edges_[c]));
  }
}

AttentionMapPool::Share AttentionMapPool::share(int64_t first, int64_t end) const {
  Share share;
  if (!on() || first >= end) return share;
  const auto row_of = [&](int64_t query) {
    return std::upper_bound(row_edges_.begin(), row_edges_.end(), query) - row_edges_.begin() - 1;
  };
  share.first_row = row_of(first);
  share.row_bins = {row_edges_.data() + share.first_row, row_of(end - 1) + 1 - share.first_row};
  const Shape shape{share.row_bins.count, key_bins().count};
  share.sum = Tensor::zeros(shape, DType::f64);
  share.max = Tensor::zeros(shape);
  return share;
}

void AttentionMapPool::advance(int64_t row) {
  const size_t columns = open_sum_.size();
  for (; open_ < row; ++open_) {
    const auto r = static_cast<size_t>(open_ % rows());
    const double inverse_height = 1.0 / static_cast<double>(row_edges_[r + 1] - row_edges_[r]);
    const int64_t at = open_ * key_bins().count;
    float* sum = sum_.data<float>() + at;
    float* mean = mean_.data<float>() + at;
    for (size_t c = 0; c < columns; ++c) {
      sum[c] = static_cast<float>(open_sum_[c]);
      mean[c] = static_cast<float>(open_sum_[c] * inverse_height * inverse_widths_[c]);
    }
    std::copy(open_max_.begin(), open_max_.end(), max_.data<float>() + at);
    std::fill(open_sum_.begin(), open_sum_.end(), 0.0);
    std::fill(open_max_.begin(), open_max_.end(), 0.0F);
  }
}

void AttentionMapPool::add(int64_t head, const Share& share) {
  const double* sum = share.sum.data<double>();
  const float* most = share.max.data<float>();
  for (int64_t r = 0; r < share.row_bins.count; ++r) {
    advance(head * rows() + share.first_row + r);
    for (size_t c = 0; c < open_sum_.size(); ++c) {
      open_sum_[c] += *sum++;
      open_max_[c] = std::max(open_max_[c], *most++);
    }
  }
}

AttentionMap AttentionMapPool::finish() {
  advance(heads_ * rows());
  return {.sum = sum_,
          .mean = mean_,
          .max = max_,
          .row_edges = Tensor::from(row_edges_, {rows() + 1}),
          .key_edges = Tensor::from(key_edges_, {key_bins().count + 1})};
}

}  // namespace heed
