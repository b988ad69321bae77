#pragma once

#include "heed/lens/look.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

/// What heads did with a text, as arrays of all layers: weights [L, H, T, T], or of a long text
/// what its reports hold, under named_arrays()'s names with [L, H, ...] in place of [B, H, ...]
/// (bin edges once); value_norms [L, H, T] where kept.
NamedTensors look_arrays(const Look& look);

/// The reports of one head, under the same names: [T], [T, 8], [R, C]. The weight on the lists of
/// keys that statistics are made from is left out of both.
NamedTensors head_arrays(const Look& look, int64_t layer, int64_t head);

}  // namespace heed
