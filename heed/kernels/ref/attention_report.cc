#include "heed/kernels/attention_report.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "heed/kernels/attention.h"

namespace heed::kernels::ref {
namespace {

struct Row {
  const AttentionProblem& problem;
  const AttentionReport& report = *problem.report;
  int64_t b, h, t;
  const double* weights;  // [S]
  int64_t at = problem.row(b, h, t);
  int64_t position = problem.position(b, t);

  /// The sum over keys of p times how much `of(s)` counts it.
  template <class Of>
  double sum(const Of& of) const {
    double total = 0;
    for (int64_t s = 0; s < problem.keys; ++s) total += weights[s] * static_cast<double>(of(s));
    return total;
  }
  bool none = sum([](int64_t) { return 1; }) == 0;  // no key has a weight
  bool has(int64_t s) const { return s >= 0 && s < problem.keys; }
  double weight(int64_t s) const { return has(s) ? weights[s] : 0; }
  /// A bin of keys of the whole, as keys of this part.
  KeyRange bin(const Bins& bins, int64_t i) const {
    return {std::clamp<int64_t>(bins.edges[i] - report.first_key, 0, problem.keys),
            std::clamp<int64_t>(bins.edges[i + 1] - report.first_key, 0, problem.keys)};
  }
  void put(float* out, double value) const {
    if (out != nullptr) out[at] = static_cast<float>(value);
  }
};

void report_entropy(const Row& row) {
  const double entropy = row.sum([&](int64_t s) {
    const double p = row.weights[s];
    return p == 0 ? 0 : -std::log(p);
  });
  row.put(row.report.entropy, entropy);
  row.put(row.report.perplexity, row.none ? 0 : std::exp(entropy));
}

void report_window(const Row& row) {
  const auto within = [&](int64_t s) { return std::abs(row.position - s) <= row.report.window; };
  row.put(row.report.inside, row.sum(within));
  row.put(row.report.outside, row.sum([&](int64_t s) { return !within(s); }));
}

void report_lists(const Row& row) {
  const AttentionReport& report = row.report;
  const size_t lists = report.lists.size();
  for (size_t i = 0; i < lists; ++i) {
    const KeyList& list = report.lists[i];
    const int64_t r = row.b * list.batch + row.t * list.row;
    double sum = 0;
    for (int64_t j = list.starts[r]; j < list.starts[r + 1]; ++j) {
      sum += row.weight(list.keys[j] - report.first_key);
    }
    report.listed[static_cast<size_t>(row.at) * lists + i] = static_cast<float>(sum);
  }
}

/// The next largest weight after (weight, key) in falling order, equal ones by key; -1: none.
int64_t next_key(const Row& row, double weight, int64_t key) {
  int64_t best = -1;
  if (row.none) return best;
  for (int64_t s = 0; s < row.problem.keys; ++s) {
    if (attention_score(row.problem, row.b, row.h, row.t, s) == -INFINITY) continue;
    const double p = row.weights[s];
    const bool after = p < weight || (p == weight && s > key);
    if (after && (best < 0 || p > row.weights[best])) best = s;
  }
  return best;
}

void report_top(const Row& row) {
  const AttentionReport& report = row.report;
  double weight = INFINITY;
  int64_t key = -1;
  for (int64_t i = 0; i < std::max<int64_t>(report.top, 1); ++i) {
    if (i == 0 || key >= 0) key = next_key(row, weight, key);
    weight = row.weight(key);
    const int64_t named = key < 0 ? -1 : key + report.first_key;
    if (i == 0) row.put(report.max, weight);
    if (i == 0 && report.max_key != nullptr) report.max_key[row.at] = named;
    if (i >= report.top) break;
    report.top_weights[row.at * report.top + i] = static_cast<float>(weight);
    report.top_keys[row.at * report.top + i] = named;
    if (key >= 0 && report.received_top != nullptr) ++report.received_top[key];
  }
}

void report_bins(const Row& row) {
  const Bins& bins = row.report.bins;
  for (int64_t i = 0; i < bins.count; ++i) {
    double sum = 0;
    const KeyRange keys = row.bin(bins, i);
    for (int64_t s = keys.begin; s < keys.end; ++s) sum += row.weights[s];
    row.report.binned[row.at * bins.count + i] = static_cast<float>(sum);
  }
}

void report_map(const Row& row) {
  const AttentionReport& report = row.report;
  const int64_t t = row.t + report.first_query;
  for (int64_t r = 0; r < report.map_rows.count; ++r) {
    if (t < report.map_rows.edges[r] || t >= report.map_rows.edges[r + 1]) continue;
    for (int64_t c = 0; c < report.map_keys.count; ++c) {
      const int64_t cell = r * report.map_keys.count + c;
      const KeyRange keys = row.bin(report.map_keys, c);
      for (int64_t s = keys.begin; s < keys.end; ++s) {
        report.map_sum[cell] += row.weights[s];
        report.map_max[cell] = std::max(report.map_max[cell], static_cast<float>(row.weights[s]));
      }
    }
  }
}

}  // namespace

void report_row(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t,
                const double* weights) {
  const Row row{.problem = problem, .b = b, .h = h, .t = t, .weights = weights};
  const AttentionReport& report = row.report;
  report_entropy(row);
  row.put(report.squares, row.sum([&](int64_t s) { return weights[s]; }));
  row.put(report.distance, row.sum([&](int64_t s) { return std::abs(row.position - s); }));
  row.put(report.first, row.weight(0));
  row.put(report.self, row.weight(row.position));
  row.put(report.previous, row.weight(row.position - 1));
  if (report.inside != nullptr) report_window(row);
  report_lists(row);
  if (report.top > 0 || report.max != nullptr) report_top(row);
  if (report.binned != nullptr) report_bins(row);
  if (report.map_sum != nullptr) report_map(row);
  if (report.received == nullptr) return;
  for (int64_t s = 0; s < problem.keys; ++s) {
    report.received[s] += weights[s];
    report.received_max[s] = std::max(report.received_max[s], static_cast<float>(weights[s]));
  }
}

void attention_weights(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                       int64_t queries, KeyRange keys, float* weights, int64_t pitch,
                       std::byte* /*scratch*/) {
  for (int64_t t = first; t < first + queries; ++t) {
    const auto lse = static_cast<double>(problem.lse[problem.row(b, h, t)]);
    for (int64_t s = keys.begin; s < keys.end; ++s) {
      const double score = attention_score(problem, b, h, t, s);
      const double weight = score == -INFINITY ? 0 : std::exp(score - lse);
      weights[(t - first) * pitch + s - keys.begin] = static_cast<float>(weight);
    }
  }
}

void jensen_shannon(const float* a, const float* b, int64_t n, double* divergence) {
  const auto share = [](double x, double middle) { return x == 0 ? 0 : x * std::log(x / middle); };
  for (int64_t i = 0; i < n; ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    const double middle = (x + y) / 2;
    *divergence += (share(x, middle) + share(y, middle)) / 2;
  }
}

}  // namespace heed::kernels::ref
