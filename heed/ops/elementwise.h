#pragma once

#include "heed/kernels/dropout.h"
#include "heed/tensor/tensor.h"

namespace heed {

using kernels::Dropout;

// Operations of heed/ops record their gradients (heed/autograd/tape.h) where an input is traced.

/// a + b, shapes broadcast, f32; a new contiguous tensor.
Tensor add(const Tensor& a, const Tensor& b);
/// a * b, likewise. Keeps both for backward where both are traced, else the one that is not.
Tensor multiply(const Tensor& a, const Tensor& b);
/// a * factor.
Tensor scale(const Tensor& a, float factor);
/// Each element kept with probability 1 - p and divided by it, else 0 (Srivastava et al., 2014),
/// which ones being a function of the seed and the element's index in row-major order; x itself
/// where it is off. Keeps nothing for backward. Error invalid_argument unless 0 <= p < 1.
Tensor dropout(const Tensor& x, const Dropout& dropout);

}  // namespace heed
