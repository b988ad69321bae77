#pragma once

#include "heed/tensor/tensor.h"

namespace heed {

/// target += x, f32, equal shapes, any strides; where target repeats elements (stride 0) it takes
/// the sum. The same bits at any number of threads.
void accumulate(const Tensor& target, const Tensor& x);

}  // namespace heed
