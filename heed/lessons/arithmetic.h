#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/random.h"
#include "heed/ops/attention.h"
#include "heed/tensor/tensor.h"

namespace heed::lessons_internal {

using Labels = std::vector<std::string>;

/// "a b c" -> {"a", "b", "c"}.
Labels words_of(std::string_view text);
/// prefix1 .. prefixN: {"x1", "x2"}.
Labels numbered(std::string_view prefix, int64_t count);

/// One head without batch: q [T, D], k [S, D], v [S, E].
struct Attended {
  Tensor y;        // [T, E]
  Tensor weights;  // [T, S]
  Tensor scores;   // [T, S], scaled and masked
};
Attended attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);

/// x [T, H * D] -> [1, H, T, D], a view.
Tensor split_heads(const Tensor& x, int64_t heads);

/// A new tensor of f(a, b) for each pair of elements; b broadcasts to a's shape.
Tensor map2(const Tensor& a, const Tensor& b, const std::function<float(float, float)>& f);
/// A new tensor of f(a) for each element.
Tensor map(const Tensor& a, const std::function<float(float)>& f);
/// Sums over the last dimension, which stays with size 1.
Tensor row_sums(const Tensor& a);
/// Index of the largest of a row.
int64_t largest(const Tensor& row);
/// Rows of tensors [R_i, C] one below the other; columns of [R, C_i] side by side.
Tensor stack_rows(const std::vector<Tensor>& parts);
Tensor stack_columns(const std::vector<Tensor>& parts);

/// torch.rand, torch.randn, and the [N, K] weight or [N] bias of an nn.Linear with K inputs.
Tensor rand(TorchRandom& random, const Shape& shape);
Tensor randn(TorchRandom& random, const Shape& shape);
Tensor linear_weight(TorchRandom& random, int64_t inputs, int64_t outputs);
Tensor linear_bias(TorchRandom& random, int64_t inputs, int64_t outputs);

}  // namespace heed::lessons_internal
