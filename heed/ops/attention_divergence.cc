#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/kernels/attention.h"
#include "heed/kernels/attention_report.h"
#include "heed/ops/attention_map.h"
#include "heed/ops/attention_plan.h"
#include "heed/ops/attention_report.h"

namespace heed {
namespace {

using kernels::kAttentionQueries;
using kernels::KeyRange;

/// Directs the plan to the lse that weights are recomputed from.
void read_lse(AttentionPlan& plan, const Tensor& lse) {
  Dims dims("attention");
  dims.set('B', plan['B'], "q");
  dims.set('H', plan['H'], "q");
  dims.set('T', plan['T'], "q");
  dims.bind("lse", lse, "B H T", DType::f32);
  if (!lse.is_contiguous()) {
    throw Error(ErrorCode::invalid_argument,
                "attention: lse must be contiguous; call contiguous()");
  }
  plan.set_lse(lse);
}

/// Calls body(part, first, end) for the parts that queries [first, end) of the whole lie in.
template <class Body>
void for_parts(const AttentionPlan& plan, int64_t first, int64_t end, const Body& body) {
  const auto& parts = plan.parts();
  auto part = std::partition_point(parts.begin(), parts.end(), [&](const AttentionPlan::Part& p) {
    return p.first_query + p.problem.queries <= first;
  });
  for (; part != parts.end() && part->first_query < end; ++part) {
    const int64_t begin = std::max(first, part->first_query);
    const int64_t stop = std::min(end, part->first_query + part->problem.queries);
    if (begin < stop) body(*part, begin - part->first_query, stop - part->first_query);
  }
}

/// The weights of queries [first, first + queries) x keys of the whole, at most kAttentionQueries
/// rows `pitch` apart. scratch: weights_scratch_bytes.
void write_weights(const AttentionPlan& plan, int64_t b, int64_t h, int64_t first, int64_t queries,
                   KeyRange keys, float* weights, int64_t pitch, std::byte* scratch) {
  for_parts(plan, first, first + queries,
            [&](const AttentionPlan::Part& part, int64_t begin, int64_t end) {
              float* rows = weights + (part.first_query + begin - first) * pitch;
              const int64_t size = part.problem.keys;
              const KeyRange seen{std::clamp<int64_t>(keys.begin - part.first_key, 0, size),
                                  std::clamp<int64_t>(keys.end - part.first_key, 0, size)};
              if (seen.end - seen.begin < keys.end - keys.begin) {
                for (int64_t t = 0; t < end - begin; ++t) {
                  std::fill_n(rows + t * pitch, keys.end - keys.begin, 0.0F);
                }
              }
              if (seen.begin >= seen.end) return;
              kernels::attention_weights(part.problem, b, h, begin, end - begin, seen,
                                         rows + part.first_key + seen.begin - keys.begin, pitch,
                                         scratch);
            });
}

int64_t weights_scratch_bytes(const AttentionPlan& plan) {
  return kernels::attention_scratch_bytes(plan['D'], plan['E']);
}

/// The keys of the whole that queries [first, end) may see.
KeyRange seen_keys(const AttentionPlan& plan, int64_t b, int64_t first, int64_t end) {
  KeyRange seen{plan['S'], 0};
  for_parts(plan, first, end, [&](const AttentionPlan::Part& part, int64_t begin, int64_t stop) {
    // Both ends of a query's range grow with the query.
    seen.begin =
        std::min(seen.begin, part.first_key + kernels::visible_keys(part.problem, b, begin).begin);
    seen.end =
        std::max(seen.end, part.first_key + kernels::visible_keys(part.problem, b, stop - 1).end);
  });
  return seen;
}

void check_range(const char* what, AttentionRange range, char letter, int64_t size) {
  const bool rises = range.begin <= range.end;
  if (range.begin >= 0 && rises && range.end <= size) return;
  throw Error(ErrorCode::invalid_argument, std::string("attention tile: ") + what + " must " +
                                               (rises ? "lie" : "begin before they end,") +
                                               " in [0, " + letter + "=" + std::to_string(size) +
                                               "] but are " + std::to_string(range.begin) + ":" +
                                               std::to_string(range.end));
}

Tensor tile(AttentionPlan& plan, const Tensor& lse, AttentionRange rows, AttentionRange keys) {
  read_lse(plan, lse);
  check_attention_tile(plan['T'], plan['S'], rows, keys);
  const int64_t height = rows.end - rows.begin, width = keys.end - keys.begin;
  const Tensor out = Tensor::empty({plan['B'], plan['H'], height, width});
  constexpr int64_t kRows = 32;  // of a task: a tile has few of them
  const int64_t blocks = (height + kRows - 1) / kRows;
  const WorkerScratch scratch(weights_scratch_bytes(plan));
  parallel_for(plan['B'] * plan['H'] * blocks, [&](int64_t task, int worker) {
    const int64_t head = task / blocks;
    const int64_t first = task % blocks * kRows;
    write_weights(plan, head / plan['H'], head % plan['H'], rows.begin + first,
                  std::min(kRows, height - first), {keys.begin, keys.end},
                  out.data<float>() + (head * height + first) * width, width, scratch.of(worker));
  });
  return out;
}

AttentionPlan plan_of(const AttentionRun& run) {
  if (run.pages.table.defined()) return AttentionPlan(run.q, run.pages, run.options);
  return AttentionPlan(run.q, run.k, run.k, run.options);
}

/// What a block of queries of two runs differs by, tile by tile.
class Comparison {
 public:
  Comparison(const AttentionPlan& a, const AttentionPlan& b, const Tensor& out,
             const AttentionMapPool& map)
      : a_(a), b_(b), out_(out), map_(map) {}

  /// Of block(): the weights of both, and what writing them takes.
  int64_t scratch_bytes() const {
    return kWeightsBytes + std::max(weights_scratch_bytes(a_), weights_scratch_bytes(b_));
  }

  void block(int64_t head, int64_t first, int64_t queries, AttentionMapPool::Share& share,
             std::byte* scratch) const {
    auto* const a = reinterpret_cast<float*>(scratch);
    float* const b = a + kAttentionQueries * kKeys;
    scratch += kWeightsBytes;
    const int64_t row = head / a_['H'], h = head % a_['H'];
    const KeyRange of_a = seen_keys(a_, row, first, first + queries);
    const KeyRange of_b = seen_keys(b_, row, first, first + queries);
    const KeyRange keys{std::min(of_a.begin, of_b.begin), std::max(of_a.end, of_b.end)};
    double sums[kAttentionQueries] = {};
    for (int64_t at = keys.begin; at < keys.end; at += kKeys) {
      const KeyRange chunk{at, std::min(at + kKeys, keys.end)};
      write_weights(a_, row, h, first, queries, chunk, a, kKeys, scratch);
      write_weights(b_, row, h, first, queries, chunk, b, kKeys, scratch);
      for (int64_t t = 0; t < queries; ++t) {
        kernels::jensen_shannon(a + t * kKeys, b + t * kKeys, chunk.end - at, &sums[t]);
        if (map_.on()) pool(a + t * kKeys, b + t * kKeys, first + t, chunk, share);
      }
    }
    float* to = out_.data<float>() + head * a_['T'] + first;
    for (int64_t t = 0; t < queries; ++t) {
      to[t] = static_cast<float>(sums[t] < 0 ? 0.0 : sums[t]);  // rounding may take it below
    }
  }

 private:
  static constexpr int64_t kKeys = 512;  // both tiles stay in a core's cache
  static constexpr auto kWeightsBytes =
      2 * kAttentionQueries * kKeys * static_cast<int64_t>(sizeof(float));

  void pool(const float* a, const float* b, int64_t query, KeyRange chunk,
            AttentionMapPool::Share& share) const {
    const kernels::Bins rows = share.row_bins, keys = map_.key_bins();
    const auto bin_of = [](const kernels::Bins& bins, int64_t x) {
      return std::upper_bound(bins.edges + 1, bins.edges + 1 + bins.count, x) - (bins.edges + 1);
    };
    const int64_t first = bin_of(rows, query) * keys.count;
    double* sums = share.sum.data<double>() + first;
    float* highs = share.max.data<float>() + first;
    for (int64_t c = bin_of(keys, chunk.begin); c < keys.count && keys.edges[c] < chunk.end; ++c) {
      const int64_t begin = std::max(keys.edges[c], chunk.begin) - chunk.begin;
      const int64_t end = std::min(keys.edges[c + 1], chunk.end) - chunk.begin;
      double sum = 0;
      float most = 0;
      for (int64_t s = begin; s < end; ++s) {
        const float difference = b[s] - a[s];
        sum += static_cast<double>(difference);
        most = std::max(most, std::abs(difference));
      }
      sums[c] += sum;
      highs[c] = std::max(highs[c], most);
    }
  }

  const AttentionPlan& a_;
  const AttentionPlan& b_;
  const Tensor& out_;
  const AttentionMapPool& map_;
};

void check_alike(const AttentionPlan& a, const AttentionPlan& b, int64_t map) {
  for (const char letter : {'B', 'H', 'T', 'S'}) {
    if (a[letter] == b[letter]) continue;
    throw Error(ErrorCode::invalid_argument,
                std::string("attention divergence: both runs must have the same ") + letter +
                    " but have " + std::to_string(a[letter]) + " and " + std::to_string(b[letter]));
  }
  if (map >= 0 && map <= 1024) return;
  throw Error(ErrorCode::invalid_argument,
              "attention divergence: map must be in [0, 1024] but is " + std::to_string(map));
}

}  // namespace

void check_attention_tile(int64_t queries, int64_t keys, AttentionRange of_queries,
                          AttentionRange of_keys) {
  check_range("rows", of_queries, 'T', queries);
  check_range("keys", of_keys, 'S', keys);
}

Tensor attention_tile(const Tensor& q, const Tensor& k, const Tensor& lse,
                      const AttentionOptions& options, AttentionRange rows, AttentionRange keys) {
  AttentionPlan plan(q, k, k, options);
  return tile(plan, lse, rows, keys);
}

Tensor attention_tile(const Tensor& q, const KvPages& pages, const Tensor& lse,
                      const AttentionOptions& options, AttentionRange rows, AttentionRange keys) {
  AttentionPlan plan(q, pages, options);
  return tile(plan, lse, rows, keys);
}

AttentionDivergence attention_divergence(const AttentionRun& a, const AttentionRun& b, int64_t map,
                                         const Progress& progress) {
  AttentionPlan plan_a = plan_of(a);
  AttentionPlan plan_b = plan_of(b);
  check_alike(plan_a, plan_b, map);
  read_lse(plan_a, a.lse);
  read_lse(plan_b, b.lse);
  const int64_t heads = plan_a['B'] * plan_a['H'], queries = plan_a['T'];
  AttentionDivergence out{.jensen_shannon = Tensor::empty({plan_a['B'], plan_a['H'], queries})};
  AttentionMapPool pool(plan_a['B'], plan_a['H'], queries, plan_a['S'], map);
  const std::vector<QueryRun> runs = query_runs(queries, kAttentionQueries);
  const auto count = static_cast<int64_t>(runs.size());
  std::vector<AttentionMapPool::Share> shares(static_cast<size_t>(heads * count));
  const Comparison comparison(plan_a, plan_b, out.jensen_shannon, pool);
  const WorkerScratch scratch(comparison.scratch_bytes());
  std::atomic<int64_t> done{0};
  parallel_for(heads * count, [&](int64_t task, int worker) {
    const QueryRun run = runs[static_cast<size_t>(task % count)];
    AttentionMapPool::Share& share = shares[static_cast<size_t>(task)];
    share = pool.share(run.first, run.end);
    for (int64_t first = run.first; first < run.end; first += kAttentionQueries) {
      check_cancelled();
      const int64_t n = std::min(kAttentionQueries, run.end - first);
      comparison.block(task / count, first, n, share, scratch.of(worker));
    }
    const int64_t finished = done.fetch_add(1) + 1;
    if (progress && worker == 0) progress(finished, heads * count);
  });
  if (progress) progress(heads * count, heads * count);
  for (int64_t task = 0; task < heads * count && pool.on(); ++task) {
    pool.add(task / count, shares[static_cast<size_t>(task)]);
  }
  if (map > 0) out.difference = pool.finish();
  return out;
}

}  // namespace heed
