#include "heed/kernels/attention.h"

#include <cmath>
#include <limits>

namespace heed::kernels::ref {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

struct Row {
  const AttentionProblem& problem;
  int64_t b, h, t;
  KeyRange visible = visible_keys(problem, b, t);

  /// scale * q.k with the masks applied; kHidden where the query does not see the key.
  double score(int64_t s) const {
    if (s < visible.begin || s >= visible.end) return kHidden;
    double bias = 0;
    for (const AttentionMask& mask : problem.masks) {
      const int64_t at = mask.offset(b, h, t, s);
      if (mask.visible != nullptr && !mask.visible[at]) return kHidden;
      if (mask.bias != nullptr) bias += static_cast<double>(mask.bias[at]);
    }
    if (bias == kHidden) return kHidden;  // whatever q and k hold
    const float* q = problem.q.at(b, h, t);
    const float* k = problem.k.at(b, problem.kv_head(h), s);
    double dot = 0;
    for (int64_t d = 0; d < problem.head_dim; ++d) {
      dot += static_cast<double>(q[d]) * static_cast<double>(k[d]);
    }
    return static_cast<double>(problem.scale) * dot + bias;
  }
};

void attend(const Row& row, double* sums) {
  const AttentionProblem& problem = row.problem;
  double highest = kHidden;
  for (int64_t s = row.visible.begin; s < row.visible.end; ++s) {
    const double score = row.score(s);
    // A NaN score must reach the output, as the sum carries it there.
    if (score > highest || std::isnan(score)) highest = score;
    if (std::isnan(highest)) break;
  }
  const bool blind = highest == kHidden;

  double total = 0;
  std::fill(sums, sums + problem.value_dim, 0.0);
  for (int64_t s = row.visible.begin; s < row.visible.end && !blind; ++s) {
    const double weight = std::exp(row.score(s) - highest);
    if (weight == 0) continue;  // whatever v holds
    total += weight;
    const float* v = problem.v.at(row.b, problem.kv_head(row.h), s);
    for (int64_t e = 0; e < problem.value_dim; ++e) sums[e] += weight * static_cast<double>(v[e]);
  }

  float* y = problem.y.at(row.b, row.h, row.t);
  for (int64_t e = 0; e < problem.value_dim; ++e) {
    y[e] = blind ? 0.0F : static_cast<float>(sums[e] / total);
  }
  const int64_t at = problem.row(row.b, row.h, row.t);
  if (problem.lse != nullptr) {
    problem.lse[at] = static_cast<float>(blind ? kHidden : highest + std::log(total));
  }
  for (int64_t s = 0; s < problem.keys; ++s) {
    if (problem.scores == nullptr && problem.weights == nullptr) break;
    const double score = row.score(s);
    if (problem.scores != nullptr)
      problem.scores[at * problem.keys + s] = static_cast<float>(score);
    if (problem.weights == nullptr) continue;
    const double weight = score == kHidden ? 0 : std::exp(score - highest) / total;
    problem.weights[at * problem.keys + s] = static_cast<float>(weight);
  }
}

}  // namespace

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  auto* sums = reinterpret_cast<double*>(scratch);
  for (int64_t t = first; t < first + queries; ++t) attend(Row{problem, b, h, t}, sums);
}

}  // namespace heed::kernels::ref
