#pragma once

#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Sum of x, f32, any strides, over a dimension (-1 is the last), which goes away. Added up in
/// order, so the same bits at any number of threads.
Tensor sum(const Tensor& x, int dim);
/// sum() divided by the dimension's size.
Tensor mean(const Tensor& x, int dim);
/// Tensors of equal shape but for one dimension, end to end along it; f32, a new contiguous tensor.
Tensor concatenate(const std::vector<Tensor>& parts, int dim);

}  // namespace heed
