#include "heed/kernels/attention.h"

#include <cmath>
#include <limits>

#include "heed/kernels/attention_report.h"

namespace heed::kernels::ref {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

double dot(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t, int64_t s) {
  const std::byte* key = problem.key_at(problem.k, b, problem.kv_head(h), s);
  const Element element = problem.k.element;
  double sum = 0;
  for (int64_t d = 0; d < problem.head_dim; ++d) {
    sum += static_cast<double>(problem.q.value(b, h, t, d)) *
           static_cast<double>(load_element(element, key + d * size_of(element)));
  }
  return sum;
}

/// What the masks add; kHidden where one of them hides the key.
double masked(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t, int64_t s) {
  double bias = 0;
  for (const AttentionMask& mask : problem.masks) {
    const int64_t at = mask.offset(b, h, t, s);
    if (mask.visible != nullptr && !mask.visible[at]) return kHidden;
    if (mask.bias != nullptr) bias += static_cast<double>(mask.bias[at]);
  }
  return bias;
}

struct Row {
  const AttentionProblem& problem;
  int64_t b, h, t;
  KeyRange visible = visible_keys(problem, b, t);
  double score(int64_t s) const { return attention_score(problem, b, h, t, s); }
};

/// The row's largest score, the sink's included; NaN if one is.
double highest_score(const Row& row) {
  double highest = kHidden;
  if (row.problem.sinks != nullptr) highest = static_cast<double>(row.problem.sinks[row.h]);
  for (int64_t s = row.visible.begin; s < row.visible.end && !std::isnan(highest); ++s) {
    const double score = row.score(s);
    if (score > highest || std::isnan(score)) highest = score;  // a NaN must reach the output
  }
  return highest;
}

/// sums[e] = sum_s exp(score - highest) v[s][e]; returns the sum of all exp, the sink's included.
double add_up(const Row& row, double highest, double* sums) {
  const AttentionProblem& problem = row.problem;
  const Element element = problem.v.element;
  double total = 0;
  if (problem.sinks != nullptr)
    total = std::exp(static_cast<double>(problem.sinks[row.h]) - highest);
  std::fill(sums, sums + problem.value_dim, 0.0);
  for (int64_t s = row.visible.begin; s < row.visible.end; ++s) {
    double weight = std::exp(row.score(s) - highest);
    if (weight == 0) continue;  // whatever v holds
    total += weight;
    if (problem.dropout.on()) {
      weight *= static_cast<double>(
          dropout_factor(problem.dropout, row.b * problem.heads + row.h, row.t, s));
      if (weight == 0) continue;
    }
    const std::byte* v = problem.key_at(problem.v, row.b, problem.kv_head(row.h), s);
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      sums[e] += weight * static_cast<double>(load_element(element, v + e * size_of(element)));
    }
  }
  return total;
}

/// problem.report of a row; weights: [S]. Beside a sink whose weight is beyond f32's range above
/// them all, keys have none.
void report(const Row& row, double highest, double total, double* weights) {
  constexpr double kLowest = -87;  // of an exponent whose weight is not 0
  double most = kHidden;
  for (int64_t s = 0; s < row.problem.keys; ++s) {
    const double score = row.score(s);
    most = std::max(most, score);
    weights[s] = score == kHidden ? 0 : std::exp(score - highest) / total;
  }
  if (most - highest < kLowest) std::fill_n(weights, row.problem.keys, 0.0);
  report_row(row.problem, row.b, row.h, row.t, weights);
}

void attend(const Row& row, double* sums, double* weights) {
  const AttentionProblem& problem = row.problem;
  const double highest = highest_score(row);
  const bool blind = highest == kHidden;
  const double total = blind ? 1 : add_up(row, highest, sums);
  if (problem.report != nullptr) report(row, highest, total, weights);
  if (problem.y.data == nullptr) return;
  std::byte* y = problem.y.at(row.b, row.h, row.t);
  const Element element = problem.y.element;
  for (int64_t e = 0; e < problem.value_dim; ++e) {
    const auto value = blind ? 0.0F : static_cast<float>(sums[e] / total);
    store_element(element, value, y + e * size_of(element));
  }
  const int64_t at = problem.row(row.b, row.h, row.t);
  if (problem.lse != nullptr) {
    problem.lse[at] = static_cast<float>(blind ? kHidden : highest + std::log(total));
  }
  if (problem.scores == nullptr && problem.weights == nullptr) return;
  for (int64_t s = 0; s < problem.keys; ++s) {
    const double score = row.score(s);
    const int64_t i = at * problem.key_pitch + s;
    if (problem.scores != nullptr) problem.scores[i] = static_cast<float>(score);
    if (problem.weights == nullptr) continue;
    const double weight = score == kHidden ? 0 : std::exp(score - highest) / total;
    problem.weights[i] = static_cast<float>(weight);
  }
}

}  // namespace

double attention_score(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t,
                       int64_t s) {
  const KeyRange visible = visible_keys(problem, b, t);
  if (s < visible.begin || s >= visible.end) return kHidden;
  double bias = masked(problem, b, h, t, s);
  if (bias == kHidden) return kHidden;  // whatever q and k hold
  if (problem.distance.data != nullptr) {
    bias += static_cast<double>(problem.distance.at(h, problem.position(b, t) - s));
  }
  double score = static_cast<double>(problem.scale) * dot(problem, b, h, t, s);
  if (problem.softcap != 0) {
    const auto cap = static_cast<double>(problem.softcap);
    score = cap * std::tanh(score / cap);
  }
  return score + bias;
}

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  auto* sums = reinterpret_cast<double*>(scratch);
  auto* weights = reinterpret_cast<double*>(
      scratch + attention_scratch_bytes(problem.head_dim, problem.value_dim));
  for (int64_t t = first; t < first + queries; ++t) attend(Row{problem, b, h, t}, sums, weights);
}

}  // namespace heed::kernels::ref
