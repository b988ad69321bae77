#pragma once

#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Whether parts, views of the contiguous block that whole fills, hold each of its elements once:
/// side by side in its rows, as the projections of queries, keys and values are. False where that
/// cannot be seen from their strides.
bool shares_out(const Tensor& whole, const std::vector<Tensor>& parts);

}  // namespace heed
