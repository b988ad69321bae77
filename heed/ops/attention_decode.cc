#include "heed/ops/attention_decode.h"

#include <algorithm>

#include "heed/kernels/attention_decode.h"

namespace heed {
namespace {

using kernels::AttentionProblem;

/// How many kv heads a task takes: where they lie side by side (a row of all heads is a page of
/// memory or so) as many as leave work for all threads, else one.
int64_t heads_together(const AttentionProblem& problem, int64_t others) {
  if (problem.k.head >= problem.k.row || problem.v.head >= problem.v.row) return 1;
  const int64_t parts = std::min(problem.kv_heads, (num_threads() + others - 1) / others);
  return (problem.kv_heads + parts - 1) / parts;
}

/// One query a head: spans of keys go to different threads, then each head's are merged.
void decode(const AttentionProblem& problem, int64_t batch) {
  const int64_t spans =
      std::max<int64_t>((problem.keys + kernels::kAttentionSpan - 1) / kernels::kAttentionSpan, 1);
  const int64_t heads = problem.kv_heads, groups = batch * heads;
  const int64_t together = heads_together(problem, batch * spans);
  const int64_t parts = (heads + together - 1) / together;
  const int64_t floats = kernels::attention_partial_floats(problem);
  const WorkerScratch scratch(kernels::attention_decode_scratch_bytes(problem, together));
  const Tensor partials = Tensor::empty({groups, spans, floats});
  float* data = partials.data<float>();
  parallel_for(batch * parts * spans, [&](int64_t index, int worker) {
    const int64_t b = index / (parts * spans), first = index / spans % parts * together;
    const int64_t span = index % spans;
    const kernels::DecodeTask task{.b = b,
                                   .first = first,
                                   .last = std::min(first + together, heads),
                                   .span = span,
                                   .partials = data + ((b * heads + first) * spans + span) * floats,
                                   .apart = spans * floats};
    kernels::attention_decode(problem, task, scratch.of(worker));
  });
  parallel_for(groups, [&](int64_t group, int) {
    kernels::attention_merge(problem, group / heads, group % heads, data + group * spans * floats,
                             spans);
  });
}

}  // namespace

void decode_parts(const AttentionPlan& plan) {
  for (const AttentionPlan::Part& part : plan.parts()) {
    if (part.batch > 0 && kernels::attention_decodes(part.problem)) {
      decode(part.problem, part.batch);
    }
  }
}

}  // namespace heed
