#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "heed/base/parallel.h"
#include "heed/kernels/attention.h"
#include "heed/ops/attention.h"
#include "heed/tensor/dims.h"
#include "heed/tensor/storage.h"

namespace heed {

/// An attention call, checked and in the kernels' terms; forward, backward and the lens start from
/// it. Owns what its problems point into, but for the tensors given, which must outlive it.
class AttentionPlan {
 public:
  /// Errors as attention().
  AttentionPlan(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);
  AttentionPlan(const Tensor& q, const KvPages& pages, const AttentionOptions& options);
  AttentionPlan(const AttentionPlan&) = delete;
  AttentionPlan& operator=(const AttentionPlan&) = delete;

  /// A problem of its own: the whole, or one segment of it.
  struct Part {
    kernels::AttentionProblem problem;
    int64_t batch = 0;
    int64_t first_query = 0;  // in the whole
    int64_t first_key = 0;
  };
  const std::vector<Part>& parts() const { return parts_; }
  std::vector<Part>& parts() { return parts_; }
  /// Sizes by letter: B H G T S D E.
  int64_t operator[](char letter) const { return dims_[letter]; }

  /// Directs outputs of [B, H, T] rows (lse) or [B, H, T, S] pairs into the parts.
  void set_y(const Tensor& y);
  void set_lse(const Tensor& lse);
  void set_pairs(float* kernels::AttentionProblem::*output, const Tensor& pairs);

 private:
  void fill(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);
  void set_mask(const Mask& mask, kernels::AttentionProblem& whole);
  void set_segment_offsets(const Mask& mask);
  void set_distance(const AttentionOptions& options);
  void cut_segments(const Segments& segments, const kernels::AttentionProblem& whole);
  Dims dims_{"attention"};
  std::vector<int64_t> offsets_;                            // [B], or one a segment
  std::vector<int64_t> lengths_;                            // [B]
  std::vector<Tensor> views_;                               // what the masks point into, broadcast
  std::vector<std::vector<kernels::AttentionMask>> masks_;  // one list a part
  std::vector<float> distance_;                             // [H][distances + slack]
  std::vector<Part> parts_;
};

/// A tensor [B, H, T, size] in the kernels' terms. Error invalid_argument if rows are not
/// contiguous or the dtype is none that kernels compute in.
kernels::AttentionRows<std::byte> attention_rows(const char* name, const Tensor& tensor);

/// Queries in one task on this problem, one of the plan's: as many as pay, so that keys are read
/// once for all of them, but fewer when there would be too few tasks to go round.
int64_t queries_per_task(const AttentionPlan& plan, const kernels::AttentionProblem& problem);

/// Scratch for each worker of a parallel_for, 64-byte aligned; the calling thread's, which grows to
/// the largest need and stays. Taken before the tasks start: a thread that asked for its own would
/// do so whenever it first gets a task, which in training may be many steps later. One at a time: a
/// second one beside it asks the system.
class WorkerScratch {
 public:
  explicit WorkerScratch(int64_t bytes);
  std::byte* of(int worker) const { return storage_->data() + worker * bytes_; }

 private:
  int64_t bytes_;
  std::shared_ptr<Storage> storage_;
};

/// body(problem, b, h, first, queries, worker) for blocks of at most `size` queries of every head,
/// batch row and part, over the threads.
template <class F>
void for_attention_blocks(const AttentionPlan& plan, int64_t size, const F& body) {
  std::vector<int64_t> ends;  // tasks up to and with each part
  int64_t tasks = 0;
  for (const AttentionPlan::Part& part : plan.parts()) {
    const int64_t blocks = (part.problem.queries + size - 1) / size;
    ends.push_back(tasks += part.batch * part.problem.heads * blocks);
  }
  parallel_for(tasks, [&](int64_t task, int worker) {
    const auto index =
        static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), task) - ends.begin());
    const kernels::AttentionProblem& problem = plan.parts()[index].problem;
    const int64_t local = index == 0 ? task : task - ends[index - 1];
    const int64_t blocks = (problem.queries + size - 1) / size;
    const int64_t first = local % blocks * size;
    const int64_t head = local / blocks;
    body(problem, head / problem.heads, head % problem.heads, first,
         std::min(size, problem.queries - first), worker);
  });
}

}  // namespace heed
