#include "heed/kernels/attention.h"

#include "heed/kernels/dispatch.h"

namespace heed::kernels {

int64_t attention_scratch_bytes(int64_t /*head_dim*/, int64_t value_dim) {
  return value_dim * static_cast<int64_t>(sizeof(double));
}

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  ref::attention(problem, b, h, first, queries, scratch);
}

}  // namespace heed::kernels
