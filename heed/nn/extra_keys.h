#pragma once

#include <vector>

#include "heed/ops/mask.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// x [B, S, H, D] with E more rows [H * D] after the S of each batch row -> [B, S + E, H, D].
Tensor append_rows(const Tensor& x, const std::vector<Tensor>& rows);

/// The mask of [B, H, T, S] for S + extra keys, the added ones visible to every query.
Mask widen_mask(const Mask& mask, int64_t batch, int64_t queries, int64_t keys, int64_t extra);

}  // namespace heed
