#pragma once

#include "heed/tensor/tensor.h"

namespace heed {

/// a + b, shapes broadcast, f32; a new contiguous tensor.
Tensor add(const Tensor& a, const Tensor& b);
/// a * factor.
Tensor scale(const Tensor& a, float factor);
/// Rows of table [V, C] (f32, bf16 or f16; may be a mapped file) at ids [...] i32 -> [..., C] f32.
/// Error invalid_argument names an id outside [0, V).
Tensor embedding(const Tensor& table, const Tensor& ids);

}  // namespace heed
