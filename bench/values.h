// What tensors are filled with in benchmarks of products.
#pragma once

#include <cstdint>

#include "heed/tensor/tensor.h"

namespace heed::bench {

/// Numbers between -1/2 and 1/2, others in every tensor, times a factor.
inline Tensor values(const Shape& shape, float factor = 1) {
  static uint32_t state = 1;
  const Tensor x = Tensor::empty(shape);
  for (float& value : x.span<float>()) {
    state = state * 1664525u + 1013904223u;
    value = factor * static_cast<float>(static_cast<int32_t>(state)) * 0x1p-32f;
  }
  return x;
}

}  // namespace heed::bench
