#pragma once

#include "heed/ops/attention.h"

// How attention() records its gradient; the gradient itself is ops/attention_backward.h.

namespace heed::internal {

/// Whether one of the tensors that attention has gradients for asks for it.
bool records_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options);
/// out.y, recorded; out.lse must be there. Keeps q, k, v, y and lse for backward.
Tensor record_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionOptions& options, const AttentionOutputs& out);

}  // namespace heed::internal
