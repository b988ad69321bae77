#include "heed/kernels/attention_backward.h"

#include <cmath>
#include <limits>

namespace heed::kernels::ref {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

/// A stored row, read as f64.
struct Row {
  Element element;
  const std::byte* data;
  double operator[](int64_t i) const {
    return static_cast<double>(load_element(element, data + i * size_of(element)));
  }
};

Row row_at(const AttentionRows<const std::byte>& rows, int64_t b, int64_t h, int64_t t) {
  return {rows.element, rows.at(b, h, t)};
}

double dot(const Row& a, const Row& b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_row(double factor, const Row& row, int64_t n, double* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += factor * row[i];
}

void add_to(float& sum, double value) {
  sum = static_cast<float>(static_cast<double>(sum) + value);
}

/// One call; its sums in f64.
struct Block {
  const AttentionProblem& problem;
  const AttentionGradients& gradients;
  int64_t b, g;
  KeyRange keys;
  double* dk;         // [keys][D]
  double* dv;         // [keys][E]
  double* dq;         // [D], of one query
  double* key_sums;   // [keys], of one head
  double* diagonals;  // [T + keys - 1], of one head
};

/// 1 - tanh(x / softcap)^2, the slope of softcap at x = scale q . k.
double slope_at(const AttentionProblem& problem, const Row& q, const Row& k) {
  if (problem.softcap == 0) return 1;
  const double x = static_cast<double>(problem.scale) * dot(q, k, problem.head_dim);
  const double capped = std::tanh(x / static_cast<double>(problem.softcap));
  return 1 - capped * capped;
}

/// What the pair of query t and key s gives to every sum; returns dscore.
double add_pair(const Block& block, int64_t h, int64_t t, int64_t s) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.gradients;
  const int64_t row = problem.row(block.b, h, t);
  const double p =
      std::exp(attention_score(problem, block.b, h, t, s) - static_cast<double>(to.lse[row]));
  if (p == 0) return 0;
  const double kept =
      problem.dropout.on()
          ? static_cast<double>(dropout_factor(problem.dropout, block.b * problem.heads + h, t, s))
          : 1.0;
  const Row q = row_at(problem.q, block.b, h, t), k = row_at(problem.k, block.b, block.g, s);
  const Row dy = row_at(to.dy, block.b, h, t), v = row_at(problem.v, block.b, block.g, s);
  const double dp = kept == 0 ? 0 : kept * dot(dy, v, problem.value_dim);
  const double dscore = p * (dp - static_cast<double>(to.delta[row]));
  const double dx = dscore * slope_at(problem, q, k) * static_cast<double>(problem.scale);
  const int64_t local = s - block.keys.begin;
  if (kept != 0) add_row(kept * p, dy, problem.value_dim, block.dv + local * problem.value_dim);
  add_row(dx, q, problem.head_dim, block.dk + local * problem.head_dim);
  add_row(dx, k, problem.head_dim, block.dq);
  for (const AttentionPairs& pairs : to.pairs) add_to(*pairs.at(block.b, h, t, s), dscore);
  block.key_sums[local] += dscore;
  block.diagonals[local - t + problem.queries - 1] += dscore;
  return dscore;
}

void add_query(const Block& block, int64_t h, int64_t t) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.gradients;
  const int64_t row = problem.row(block.b, h, t);
  if (static_cast<double>(to.lse[row]) == kHidden) return;
  std::fill_n(block.dq, problem.head_dim, 0.0);
  const KeyRange seen = visible_keys(problem, block.b, t);
  const int64_t end = std::min(seen.end, block.keys.end);
  double sum = 0;
  for (int64_t s = std::max(seen.begin, block.keys.begin); s < end; ++s) {
    sum += add_pair(block, h, t, s);
  }
  if (to.row_sums != nullptr) add_to(to.row_sums[row], sum);
  if (to.dq.data == nullptr) return;
  auto* dq = reinterpret_cast<float*>(to.dq.at(block.b, h, t));
  for (int64_t d = 0; d < problem.head_dim; ++d) add_to(dq[d], block.dq[d]);
}

void add_head(const Block& block, int64_t h, AttentionTurns& turns) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.gradients;
  const int64_t n = block.keys.end - block.keys.begin;
  std::fill_n(block.key_sums, n, 0.0);
  std::fill_n(block.diagonals, problem.queries + n - 1, 0.0);
  for (int64_t first = 0; first < problem.queries; first += kBackwardQueries) {
    const int64_t queries = std::min(kBackwardQueries, problem.queries - first);
    const KeyRange seen = visible_keys(problem, block.b, first, queries);
    if (seen.begin >= block.keys.end || seen.end <= block.keys.begin) continue;
    turns.take(h, first / kBackwardQueries, block.keys);
    for (int64_t t = first; t < first + queries; ++t) add_query(block, h, t);
    turns.pass(h, first / kBackwardQueries, block.keys);
  }
  if (to.key_sums != nullptr) {
    float* sums = to.key_sums + (block.b * problem.heads + h) * problem.key_pitch;
    for (int64_t i = 0; i < n; ++i) add_to(sums[block.keys.begin + i], block.key_sums[i]);
  }
  if (to.diagonals == nullptr) return;
  float* diagonals = to.diagonals + (block.b * problem.heads + h) * to.diagonal_pitch;
  turns.take(h, AttentionTurns::kWholeHead, block.keys);
  for (int64_t i = 0; i < problem.queries + n - 1; ++i) {
    add_to(diagonals[block.keys.begin + i], block.diagonals[i]);
  }
  turns.pass(h, AttentionTurns::kWholeHead, block.keys);
}

void store_rows(const Block& block, const AttentionRows<std::byte>& rows, int64_t size,
                const double* from) {
  if (rows.data == nullptr) return;
  for (int64_t s = block.keys.begin; s < block.keys.end; ++s) {
    std::byte* to = rows.at(block.b, block.g, s);
    for (int64_t i = 0; i < size; ++i) {
      store_element(rows.element, static_cast<float>(*from++), to + i * size_of(rows.element));
    }
  }
}

}  // namespace

void attention_deltas(const AttentionProblem& problem, const AttentionGradients& gradients,
                      int64_t b, int64_t h, int64_t first, int64_t queries) {
  for (int64_t t = first; t < first + queries; ++t) {
    const Row y = row_at(gradients.y, b, h, t), dy = row_at(gradients.dy, b, h, t);
    double sum = 0;
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      if (y[e] != 0) sum += dy[e] * y[e];  // of a row that sees nothing, whatever dy holds
    }
    gradients.delta[problem.row(b, h, t)] = static_cast<float>(sum);
  }
}

void attention_backward(const AttentionProblem& problem, const AttentionGradients& gradients,
                        int64_t b, int64_t g, KeyRange keys, AttentionTurns& turns,
                        std::byte* scratch) {
  const int64_t n = keys.end - keys.begin;
  auto* dk = reinterpret_cast<double*>(scratch);
  double* dv = dk + n * problem.head_dim;
  double* dq = dv + n * problem.value_dim;
  double* key_sums = dq + problem.head_dim;
  std::fill(dk, dq, 0.0);
  const Block block{problem, gradients, b, g, keys, dk, dv, dq, key_sums, key_sums + n};
  const int64_t group = problem.heads / problem.kv_heads;
  for (int64_t h = g * group; h < (g + 1) * group; ++h) add_head(block, h, turns);
  store_rows(block, gradients.dk, problem.head_dim, dk);
  store_rows(block, gradients.dv, problem.value_dim, dv);
}

}  // namespace heed::kernels::ref
