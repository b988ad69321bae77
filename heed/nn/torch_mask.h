#pragma once

#include "heed/ops/mask.h"

namespace heed {

/// The mask arguments of nn.MultiheadAttention, where a boolean true hides a key.
struct TorchMaskOptions {
  Tensor key_padding_mask;  // [B, S], bool (true hides) or f32 (added); may be absent
  Tensor attn_mask;         // [T, S] or [B * H, T, S], bool or f32; may be absent
  bool is_causal = false;   // query i sees keys j <= i
  int64_t heads = 1;        // H, for a 3-dimensional attn_mask
};

/// The same as a Mask (where true is visible). Error invalid_argument on other shapes and dtypes.
Mask torch_mask(const TorchMaskOptions& options);

}  // namespace heed
