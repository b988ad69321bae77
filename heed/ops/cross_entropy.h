#pragma once

#include <cstdint>

#include "heed/tensor/tensor.h"

namespace heed {

inline constexpr int32_t kNoTarget = -100;  // a place that does not count, as in PyTorch

struct CrossEntropyOptions {
  float label_smoothing = 0;    // share of a target that goes evenly to all classes, in [0, 1)
  int32_t ignored = kNoTarget;  // targets that do not count
  bool sum = false;             // over the counted targets, not their mean
};

/// How well logits foretell targets: the mean over counted targets of log sum_v e^z_v - (1 - s)
/// z_target - s mean(z), one number; equal to PyTorch's cross_entropy, but 0 where no target counts
/// (PyTorch: NaN). logits [..., V] f32, targets [...] i32. Records its gradient. Error
/// invalid_argument names a target outside [0, V).
Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options = {});

/// The same of logits = x W^T + b, x [..., C] f32, weight [V, C], bias [V] or absent, which are
/// made some rows at a time and never stored: at most about 64 MiB of them at once, and none for
/// targets that do not count. When recording, the gradients of x, the weight and the bias are
/// computed here as well, while a block's logits are at hand (Hsu et al., "Liger kernel", 2024),
/// and kept instead.
Tensor cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& targets, const CrossEntropyOptions& options = {});

}  // namespace heed
