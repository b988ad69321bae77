#pragma once

#include "heed/kernels/product.h"

namespace heed {

using kernels::Precision;

/// While one lives, this thread's products on weights as they are (linear, feed_forward, matmul,
/// the projection of cross_entropy), and their gradients whenever those are computed, round both
/// operands to that precision and sum in f32: mixed-precision training with f32 weights, gradients
/// and activations. Weights packed for inference are not affected.
class ComputePrecision {
 public:
  explicit ComputePrecision(Precision precision);
  ~ComputePrecision();
  ComputePrecision(const ComputePrecision&) = delete;
  ComputePrecision& operator=(const ComputePrecision&) = delete;

 private:
  Precision before_;
};

/// This thread's, f32 unless a ComputePrecision lives.
Precision compute_precision();

}  // namespace heed
