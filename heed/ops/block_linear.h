#pragma once

#include <memory>
#include <vector>

#include "heed/ops/activation.h"
#include "heed/tensor/block_matrix.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// The weights of y = activation(x W^T + b) as their file has them, quantised or not: PackedLinear
/// without a copy. Several matrices over the same input (query, key, value), of different kinds
/// too, stand side by side. Copies share the weights.
class BlockLinear {
 public:
  BlockLinear() = default;
  /// weights [N_i, K], biases [N_i] (each may be absent) -> N = sum N_i. Error invalid_argument
  /// where they do not fit together.
  BlockLinear(std::vector<BlockMatrix> weights, const std::vector<Tensor>& biases);

  int64_t inputs() const { return inputs_; }    // K
  int64_t outputs() const { return outputs_; }  // N

  /// x [..., K] f32 -> [..., N], with the weights that dequantize() gives. A row's bits do not
  /// depend on the other rows, on how many there are, nor on the thread count
  /// (heed/kernels/block_product.h). Weights that say so (BlockMatrix::int8_inputs) multiply x
  /// rounded to 8 bits (heed/kernels/int8_product.h). Records the gradient of x, of the product as
  /// if nothing were rounded: the weights take none.
  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const;

 private:
  struct Part {
    BlockMatrix weight;
    Tensor bias;    // [N_i] f32, or absent
    int64_t first;  // of its outputs
  };
  Tensor compute(const Tensor& x, Activation activation) const;
  Tensor unpacked() const;

  std::shared_ptr<const std::vector<Part>> parts_;
  int64_t inputs_ = 0;
  int64_t outputs_ = 0;
};

}  // namespace heed
