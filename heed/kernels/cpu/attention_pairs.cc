#include "heed/kernels/cpu/attention_pairs.h"

#include "heed/kernels/dispatch.h"

namespace heed::kernels {

bool pairs_serve(const AttentionProblem& problem) {
  return multiplies_pairs(active_isa()) && problem.q.element == Element::bf16 &&
         problem.k.element == Element::bf16;
}

int64_t attention_pairs_scratch_bytes(int64_t head_dim, int64_t value_dim) {
  const auto rounded = [](int64_t n, int64_t step) { return (n + step - 1) / step * step; };
  const int64_t depth =
      rounded(head_dim, 32);  // a tile's product takes so many, and 16 rows of V^T
  const int64_t value_rows = rounded(value_dim, 16);
  const int64_t tile = (depth / 2 + value_rows + 2) * kPairWidth;
  const int64_t words = kAttentionChunk * kPairWidth + (kPairWidth + kAttentionChunk) * depth / 2 +
                        (32 + kAttentionChunk) / 2 * value_rows + kAttentionChunk / 2 * kPairWidth +
                        kPairQueries / kPairWidth * tile + 16;
  return words * static_cast<int64_t>(sizeof(uint32_t));
}

}  // namespace heed::kernels
