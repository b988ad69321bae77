#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "heed/nn/params.h"
#include "heed/ops/block_linear.h"
#include "heed/ops/linear.h"

namespace heed {

/// A matrix and its bias as a checkpoint names them: "weight" [N, K] and "bias" [N].
struct LinearWeights {
  Tensor weight;                      // absent where blocks stand for it
  Tensor bias;                        // may be absent
  std::optional<BlockMatrix> blocks;  // the matrix as it is stored, to be multiplied so
  bool in_place = false;              // read where it lies (Params::in_place)

  LinearWeights() = default;
  LinearWeights(Tensor weight_, Tensor bias_, bool in_place_ = false)
      : weight(std::move(weight_)), bias(std::move(bias_)), in_place(in_place_) {}
  LinearWeights(BlockMatrix weight_, Tensor bias_)
      : bias(std::move(bias_)), blocks(std::move(weight_)) {}
  LinearWeights(const Params& params, int64_t inputs, int64_t outputs, bool with_bias = true);

  int64_t outputs() const { return blocks ? blocks->rows : weight.size(0); }
  int64_t inputs() const { return blocks ? blocks->columns : weight.size(1); }
  /// So many equal parts of the outputs, which are stored as one. Linear::stacked multiplies
  /// neighbours among them as one matrix.
  std::vector<LinearWeights> split(int64_t parts) const;

 private:
  friend std::vector<LinearWeights> joined(const std::vector<LinearWeights>& parts);
  static LinearWeights slice(const std::shared_ptr<const LinearWeights>& whole, int64_t begin,
                             int64_t end);

  std::shared_ptr<const LinearWeights> whole_;  // what it is a part of; null: of nothing
  int64_t first_ = 0;                           // output of the whole
};

/// The parts in their order, neighbours of one matrix as one.
std::vector<LinearWeights> joined(const std::vector<LinearWeights>& parts);

/// y = activation(x W^T + b), equal to nn.Linear; x [..., K] -> [..., N]. Weights that are trained,
/// or stand beside such (Params::in_place), are read where they lie, and the trained ones get their
/// gradients; those in blocks are multiplied in that form, others are packed once. A gradient
/// passes on to x each way.
class Linear {
 public:
  Linear() = default;
  explicit Linear(const LinearWeights& weights) : Linear(std::vector<LinearWeights>{weights}) {}
  Linear(const Params& params, int64_t inputs, int64_t outputs, bool with_bias = true)
      : Linear(LinearWeights(params, inputs, outputs, with_bias)) {}
  /// Several over the same x, side by side: N = sum N_i.
  static Linear stacked(const std::vector<LinearWeights>& parts) { return Linear(joined(parts)); }

  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const {
    if (in_place()) return linear(x, weights_, biases_, activation);
    return blocks_.outputs() > 0 ? blocks_(x, activation) : product_(x, activation);
  }
  bool in_place() const { return !weights_.empty(); }
  /// Of a layer in place that is not stacked.
  LinearWeights weights_in_place() const { return {weights_.at(0), biases_.at(0)}; }

 private:
  explicit Linear(const std::vector<LinearWeights>& parts);

  // one of these
  PackedLinear product_;
  BlockLinear blocks_;
  std::vector<Tensor> weights_, biases_;  // in place
};

}  // namespace heed
