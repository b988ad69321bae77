#include "heed/ops/attention.h"

#include <algorithm>
#include <limits>

#include "heed/kernels/attention_decode.h"
#include "heed/kernels/attention_split.h"
#include "heed/ops/attention_decode.h"
#include "heed/ops/attention_gradient.h"
#include "heed/ops/attention_plan.h"

namespace heed {
namespace {

using kernels::AttentionProblem;
using kernels::KeyRange;

/// Too few blocks of queries for the threads, and keys enough to be worth four joint steps.
bool worth_splitting(const AttentionPlan& plan) {
  constexpr int64_t kManyKeys = 4096;
  if (num_threads() == 1 || plan.parts().size() != 1 || plan['T'] < 2 || plan['S'] < kManyKeys)
    return false;
  const int64_t size = kernels::attention_split_queries();
  const int64_t blocks = plan['B'] * plan['H'] * ((plan['T'] + size - 1) / size);
  return blocks < num_threads() && kernels::attention_splits(plan.parts()[0].problem);
}

/// The steps of attention_split over the threads.
bool attend_by_keys(const kernels::AttentionSplit& split, const WorkerScratch& scratch) {
  const AttentionProblem& problem = split.problem;
  constexpr int64_t kLine = 16;  // columns of v that no two threads should share
  const int64_t share = (problem.value_dim + num_threads() - 1) / num_threads();
  const int64_t columns = (share + kLine - 1) / kLine * kLine;
  const auto for_runs = [&](KeyRange range, int64_t size, const auto& body) {
    parallel_for((range.end - range.begin + size - 1) / size, [&](int64_t i, int worker) {
      const int64_t begin = range.begin + i * size;
      body(KeyRange{begin, std::min(begin + size, range.end)}, scratch.of(worker));
    });
  };
  kernels::attention_split_start(split, scratch.of(0));
  for (int64_t at = 0; at < problem.keys; at += kernels::kSplitKeys) {
    const KeyRange block{at, std::min(at + kernels::kSplitKeys, problem.keys)};
    for_runs(block, kernels::kSplitRun, [&](KeyRange run, std::byte* own) {
      kernels::attention_split_scores(split, run, own);
    });
    for_runs(block, kernels::kSplitRun, [&](KeyRange run, std::byte* own) {
      kernels::attention_split_weights(split, run, own);
    });
    for_runs({0, problem.value_dim}, columns, [&](KeyRange some, std::byte* own) {
      kernels::attention_split_values(split, block, some, own);
    });
    kernels::attention_split_advance(split, block, scratch.of(0));
  }
  return kernels::attention_split_finish(split, scratch.of(0));
}

/// One block of queries after another, the keys of each shared by the threads.
void attend_by_keys(const AttentionProblem& problem, int64_t batch) {
  const auto shared = Storage::allocate(kernels::attention_split_bytes(problem));
  const WorkerScratch scratch(
      kernels::attention_scratch_bytes(problem.head_dim, problem.value_dim));
  const int64_t size = kernels::attention_split_queries();
  for (int64_t row = 0; row < batch * problem.heads; ++row) {
    for (int64_t first = 0; first < problem.queries; first += size) {
      kernels::AttentionSplit split{problem,
                                    row / problem.heads,
                                    row % problem.heads,
                                    first,
                                    std::min(size, problem.queries - first),
                                    false,
                                    shared->data()};
      if (attend_by_keys(split, scratch)) continue;
      split.careful = true;
      attend_by_keys(split, scratch);
    }
  }
}

/// Everything but what decode_parts does.
void attend_blocks(const AttentionPlan& plan) {
  const WorkerScratch scratch(kernels::attention_scratch_bytes(plan['D'], plan['E']));
  for_attention_blocks(plan, queries_per_task(plan, plan.parts()[0].problem),
                       [&](const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                           int64_t queries, int worker) {
                         if (kernels::attention_decodes(problem)) return;
                         kernels::attention(problem, b, h, first, queries, scratch.of(worker));
                       });
}

void attend(const AttentionPlan& plan) {
  if (worth_splitting(plan)) return attend_by_keys(plan.parts()[0].problem, plan['B']);
  if (plan.parts().empty()) return;
  attend_blocks(plan);
  decode_parts(plan);
}

AttentionOutputs run(AttentionPlan& plan, DType dtype, const AttentionWant& want) {
  const int64_t batch = plan['B'];
  const Shape pairs{batch, plan['H'], plan['T'], plan['S']};
  const bool segments = plan.parts().size() != 1;  // what lies between them is no kernel's
  AttentionOutputs out;
  out.y = Tensor::empty({batch, plan['T'], plan['H'], plan['E']}, dtype).transpose(1, 2);
  plan.set_y(out.y);
  if (want.lse) {
    out.lse = Tensor::empty({batch, plan['H'], plan['T']});
    plan.set_lse(out.lse);
  }
  if (want.weights) {
    out.weights = segments ? Tensor::zeros(pairs) : Tensor::empty(pairs);
    plan.set_pairs(&AttentionProblem::weights, out.weights);
  }
  if (want.scores) {
    out.scores = segments ? Tensor::full(pairs, -std::numeric_limits<float>::infinity())
                          : Tensor::empty(pairs);
    plan.set_pairs(&AttentionProblem::scores, out.scores);
  }
  attend(plan);
  return out;
}

/// Whether a row's queries see all its keys, or those before its length, and differ in nothing
/// else.
bool sees_by_length(const AttentionOptions& options) {
  const Mask& mask = options.mask;
  return !mask.causal() && mask.left() == Mask::kOpen && mask.right() == Mask::kOpen &&
         !mask.segments() && mask.booleans().empty() && mask.additives().empty() &&
         !options.alibi && !options.relative && !options.sinks && !options.dropout.on();
}

/// Rows in a run that read the same keys with one query each, as the beams of one source do: R
/// where the batch is B / R such runs, else 1.
int64_t rows_alike(const Tensor& q, const KvPages& pages, const AttentionOptions& options) {
  const Tensor& table = pages.table;
  const std::vector<int64_t>& lengths = options.mask.lengths();
  // What cannot be goes on as it was given, to be refused: three heads are no multiple of two, but
  // those of two rows are.
  const int64_t kv_heads = pages.k.rank() == 4 ? pages.k.size(1) : 0;
  if (q.rank() != 4 || table.rank() != 2 || table.dtype() != DType::i32 || q.size(2) != 1 ||
      table.size(0) != q.size(0) || !sees_by_length(options) || kv_heads == 0 ||
      q.size(1) % kv_heads != 0 || (lengths.size() > 1 && std::ssize(lengths) != q.size(0))) {
    return 1;
  }
  const auto alike = [&](int64_t a, int64_t b) {
    for (int64_t i = 0; i < table.size(1); ++i) {
      if (table.at<int32_t>({a, i}) != table.at<int32_t>({b, i})) return false;
    }
    return lengths.size() <= 1 ||
           lengths[static_cast<size_t>(a)] == lengths[static_cast<size_t>(b)];
  };
  const int64_t batch = q.size(0);
  int64_t run = 1;
  while (run < batch && alike(0, run)) ++run;
  if (batch % run != 0) return 1;
  for (int64_t row = 0; row < batch; ++row) {
    if (!alike(row / run * run, row)) return 1;
  }
  return run;
}

/// The rows of each run become heads that share their keys, which are then read once for all.
Tensor attend_in_runs(const Tensor& q, const KvPages& pages, const AttentionOptions& options,
                      int64_t run) {
  const int64_t runs = q.size(0) / run, heads = q.size(1);
  const Tensor many = q.transpose(1, 2)  // [B, 1, H, D]
                          .contiguous()
                          .reshape({runs, run, heads, q.size(3)})
                          .transpose(1, 2)
                          .contiguous()
                          .reshape({runs, heads * run, 1, q.size(3)});
  const Tensor& table = pages.table;
  const Tensor first =
      table.as_strided({runs, table.size(1)}, {run * table.stride(0), table.stride(1)});
  std::vector<int64_t> lengths = options.mask.lengths();
  for (int64_t i = 0; i < runs; ++i) {
    if (lengths.size() > 1) {
      lengths[static_cast<size_t>(i)] = lengths[static_cast<size_t>(i * run)];
    }
  }
  if (lengths.size() > 1) lengths.resize(static_cast<size_t>(runs));
  const Mask mask = lengths.empty() ? Mask() : Mask::padding(lengths);
  const Tensor y =
      attention_outputs(many, {pages.k, pages.v, first.contiguous()},
                        {.scale = options.scale, .softcap = options.softcap, .mask = mask}, {})
          .y;
  const int64_t size = y.size(3);
  return y
      .transpose(1, 2)  // [runs, 1, H * run, E], as it lies in memory
      .reshape({runs, heads, run, size})
      .transpose(1, 2)
      .contiguous()
      .reshape({runs * run, 1, heads, size})
      .transpose(1, 2);
}

}  // namespace

AttentionOutputs attention_outputs(const Tensor& q, const Tensor& k, const Tensor& v,
                                   const AttentionOptions& options, const AttentionWant& want) {
  AttentionPlan plan(q, k, v, options);
  if (!internal::records_attention(q, k, v, options)) return run(plan, q.dtype(), want);
  AttentionWant more = want;
  more.lse = true;  // backward needs it
  AttentionOutputs out = run(plan, q.dtype(), more);
  out.y = internal::record_attention(q, k, v, options, out);
  return out;
}

AttentionOutputs attention_outputs(const Tensor& q, const KvPages& pages,
                                   const AttentionOptions& options, const AttentionWant& want) {
  AttentionPlan plan(q, pages, options);
  return run(plan, q.dtype(), want);
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options) {
  return attention_outputs(q, k, v, options, {}).y;
}

Tensor attention(const Tensor& q, const KvPages& pages, const AttentionOptions& options) {
  if (const int64_t run = rows_alike(q, pages, options); run > 1) {
    return attend_in_runs(q, pages, options, run);
  }
  return attention_outputs(q, pages, options, {}).y;
}

}  // namespace heed
