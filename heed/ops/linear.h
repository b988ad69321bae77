#pragma once

#include <memory>
#include <vector>

#include "heed/ops/activation.h"
#include "heed/tensor/tensor.h"

namespace heed {

namespace kernels {
class PackedMatrix;
}

/// The weights of y = activation(x W^T + b), packed once into the order the product reads them.
/// Copies share the packed weights. Several matrices over the same input (query, key, value) pack
/// as one.
class PackedLinear {
 public:
  PackedLinear() = default;
  /// weight [N, K] (any float dtype, as nn.Linear keeps it); bias [N] or absent.
  PackedLinear(const Tensor& weight, const Tensor& bias);
  /// Stacked along N: weights [N_i, K], biases [N_i] (each may be absent) -> N = sum N_i.
  PackedLinear(const std::vector<Tensor>& weights, const std::vector<Tensor>& biases);

  int64_t inputs() const;   // K
  int64_t outputs() const;  // N

  /// x [..., K] f32 -> [..., N]. A row's bits do not depend on the other rows nor on the thread
  /// count. Records the gradient of x: the weights take none.
  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const;

 private:
  Tensor compute(const Tensor& x, Activation activation) const;
  Tensor unpacked() const;
  std::shared_ptr<const kernels::PackedMatrix> matrix_;
};

/// y = activation(x W^T + b) with the weights as they are, which training changes at every step: x
/// [..., K] f32, weight [N, K] (any float dtype; fastest with a unit stride along either
/// dimension), bias [N] or absent -> [..., N]. Records its gradients; each weight's comes in the
/// weight's own layout. Kept for backward: x where a weight is traced, and the sums before an
/// activation. Equal to PackedLinear within rounding; up to K = 384, to the bit
/// (kernels/product.h).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
              Activation activation = Activation::none);
/// Several matrices over the same x, side by side: N = sum N_i.
Tensor linear(const Tensor& x, const std::vector<Tensor>& weights,
              const std::vector<Tensor>& biases, Activation activation = Activation::none);

/// a [..., M, K] x b [..., K, N] -> [..., M, N], f32, any strides, equal leading dimensions.
/// Records its gradients.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace heed
