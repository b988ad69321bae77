#include "heed/ops/attention.h"

#include <algorithm>
#include <limits>

#include "heed/kernels/attention_decode.h"
#include "heed/ops/attention_plan.h"

namespace heed {
namespace {

using kernels::AttentionProblem;

// Queries in one task: as many as pay, so that keys are read once for all of them, but
// fewer when there would be too few tasks to go round. Bits do not depend on it.
int64_t queries_per_task(const AttentionPlan& plan) {
  constexpr int64_t kLeast = 32;
  const int64_t wanted_tasks = int64_t{4} * num_threads();
  int64_t size =
      plan.parts().empty() ? kLeast : kernels::attention_queries(plan.parts()[0].problem);
  while (num_threads() > 1 && size > kLeast &&
         plan['B'] * plan['H'] * ((plan['T'] + size - 1) / size) < wanted_tasks) {
    size /= 2;
  }
  return size;
}

/// One query a head: spans of keys go to different threads, then each head's are merged.
void decode(const AttentionProblem& problem, int64_t batch) {
  const int64_t spans =
      std::max<int64_t>((problem.keys + kernels::kAttentionSpan - 1) / kernels::kAttentionSpan, 1);
  const int64_t groups = batch * problem.kv_heads;
  const int64_t floats = kernels::attention_partial_floats(problem);
  const int64_t bytes = kernels::attention_decode_scratch_bytes(problem);
  const Tensor partials = Tensor::empty({groups, spans, floats});
  float* data = partials.data<float>();
  parallel_for(groups * spans, [&](int64_t task, int) {
    const int64_t group = task / spans;
    kernels::attention_decode(problem, group / problem.kv_heads, group % problem.kv_heads,
                              task % spans, data + task * floats, attention_scratch(bytes));
  });
  parallel_for(groups, [&](int64_t group, int) {
    kernels::attention_merge(problem, group / problem.kv_heads, group % problem.kv_heads,
                             data + group * spans * floats, spans);
  });
}

void attend(const AttentionPlan& plan) {
  const int64_t bytes = kernels::attention_scratch_bytes(plan['D'], plan['E']);
  for_attention_blocks(
      plan, queries_per_task(plan),
      [&](const AttentionProblem& problem, int64_t b, int64_t h, int64_t first, int64_t queries) {
        if (kernels::attention_decodes(problem)) return;
        kernels::attention(problem, b, h, first, queries, attention_scratch(bytes));
      });
  for (const AttentionPlan::Part& part : plan.parts()) {
    if (kernels::attention_decodes(part.problem)) decode(part.problem, part.batch);
  }
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

}  // namespace

AttentionOutputs attention_outputs(const Tensor& q, const Tensor& k, const Tensor& v,
                                   const AttentionOptions& options, const AttentionWant& want) {
  AttentionPlan plan(q, k, v, options);
  return run(plan, q.dtype(), want);
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
  return attention_outputs(q, pages, options, {}).y;
}

}  // namespace heed
