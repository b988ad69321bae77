#include "heed/ops/attention_decode.h"

#include <algorithm>

#include "heed/kernels/attention_decode.h"

namespace heed {
namespace {

using kernels::AttentionProblem;

/// One query a head: spans of keys go to different threads, then each head's are merged.
void decode(const AttentionProblem& problem, int64_t batch) {
  const int64_t spans =
      std::max<int64_t>((problem.keys + kernels::kAttentionSpan - 1) / kernels::kAttentionSpan, 1);
  const int64_t groups = batch * problem.kv_heads;
  const int64_t floats = kernels::attention_partial_floats(problem);
  const WorkerScratch scratch(kernels::attention_decode_scratch_bytes(problem));
  const Tensor partials = Tensor::empty({groups, spans, floats});
  float* data = partials.data<float>();
  parallel_for(groups * spans, [&](int64_t task, int worker) {
    const int64_t group = task / spans;
    kernels::attention_decode(problem, group / problem.kv_heads, group % problem.kv_heads,
                              task % spans, data + task * floats, scratch.of(worker));
  });
  parallel_for(groups, [&](int64_t group, int) {
    kernels::attention_merge(problem, group / problem.kv_heads, group % problem.kv_heads,
                             data + group * spans * floats, spans);
  });
}

}  // namespace

void decode_parts(const AttentionPlan& plan) {
  for (const AttentionPlan::Part& part : plan.parts()) {
    if (kernels::attention_decodes(part.problem)) decode(part.problem, part.batch);
  }
}

}  // namespace heed
