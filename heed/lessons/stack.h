#pragma once

#include <vector>

#include "heed/lessons/arithmetic.h"

namespace heed::lessons_internal {

/// What surrounds a sublayer f (attention, then feed-forward) in each block of a stack.
enum class Wiring {
  bare,           // f(x)
  norm,           // LayerNorm(f(x))
  residual,       // x + f(x)
  residual_norm,  // LayerNorm(x + f(x)), as "Attention Is All You Need" has it
};

struct StackShape {
  int64_t layers;
  int64_t tokens;
  int64_t width;
  int64_t feed_forward;
};

/// How the gradient of sum(x_L * g) fades on its way down a stack of L blocks: log10 of its norm
/// with respect to x_L, x_(L-1), ... x_0, L + 1 numbers. Exact: each block's forward pass is
/// computed by the operators and the chain rule is written out for each part (f32; the gradient is
/// rescaled after each block and the factor kept in the logarithm, so that it cannot underflow).
/// Draws from torch's seed: x_0 = randn(T, C); per block Linear(C, C) for query, key, value,
/// output, then Linear(C, F) and Linear(F, C), with biases; last g = randn(T, C).
std::vector<float> gradient_norms(Wiring wiring, const StackShape& shape, uint64_t seed);

}  // namespace heed::lessons_internal
