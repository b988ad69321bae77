#pragma once

#include <random>

#include "heed/tensor/tensor.h"

namespace heed::testing {

/// Seeded normal values of standard deviation `spread`, rounded to dtype.
inline Tensor random_tensor(const Shape& shape, unsigned seed, float spread = 1.0F,
                            DType dtype = DType::f32) {
  const Tensor tensor = Tensor::empty(shape);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, spread);
  for (float& x : tensor.span<float>()) x = normal(generator);
  return tensor.to(dtype);
}

}  // namespace heed::testing
