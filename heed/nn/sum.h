#pragma once

#include "heed/ops/elementwise.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// x + y that is not computed yet: LayerNorm adds while it normalises (one pass over memory
/// instead of two); any other use computes the sum.
struct Sum {
  Tensor x;
  Tensor y;
  operator Tensor() const { return add(x, y); }  // NOLINT(google-explicit-constructor)
};

inline Sum operator+(const Tensor& x, const Tensor& y) { return {x, y}; }

}  // namespace heed
