#pragma once

#include <cstdint>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// A dimension of two tensors of one shape, or several that both step as one.
struct Loop {
  int64_t size;
  int64_t target;  // strides
  int64_t x;
};

/// The outermost first as the target lies in memory, sums (of stride 0) innermost in their order:
/// heads whose rows stand side by side are one row then, in whatever order the dimensions are
/// named. None of size 1.
std::vector<Loop> loops_of(const Tensor& target, const Tensor& x);

}  // namespace heed
