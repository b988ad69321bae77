#pragma once

#include <functional>
#include <vector>

#include "heed/ops/activation.h"
#include "heed/ops/precision.h"
#include "heed/tensor/tensor.h"

// The products of y = x W^T + b and of its gradients, for the operations made of them.

namespace heed::internal {

/// Checks weights [N_i, K] against each other and against biases [N_i] (absent ones allowed);
/// returns sum N_i.
int64_t check_weights(const std::vector<Tensor>& weights, const std::vector<Tensor>& biases);
/// Checks x [..., K] f32 against the weights' K.
void check_input(const Tensor& x, int64_t inputs);

/// A layer as the products read it: untraced, f32, the weight [N, K] with a unit stride. Products
/// round as the thread wants it when the layer is made.
struct Layer {
  Tensor weight;
  Tensor bias;  // contiguous, or absent
  Precision precision = compute_precision();

  Layer(const Tensor& weight_, const Tensor& bias_);
  int64_t outputs() const { return weight.size(0); }
  int64_t inputs() const { return weight.size(1); }
};

/// Part of the columns of rows in memory: [rows, any], `stride` floats from one to the next.
struct Columns {
  float* data;
  int64_t stride;
  int64_t rows;
};
/// All columns of a contiguous x [..., C] from `first` on.
Columns columns_of(const Tensor& x, int64_t first = 0);

/// sums = x W^T + b; y = activation(sums) where there is one (y may be sums).
void project(const Layer& layer, const Columns& x, const Columns& sums,
             Activation activation = Activation::none, float* y = nullptr);
/// dx = dy W, or dx += dy W.
void project_back(const Layer& layer, const Columns& dy, const Columns& dx,
                  bool accumulate = false);
/// dW = dy^T x, laid out as the weight.
Tensor weight_gradient(const Layer& layer, const Columns& dy, const Columns& x);
/// dw = dy^T x, or dw += dy^T x; dw laid out as the weight.
void add_weight_gradient(const Layer& layer, const Columns& dy, const Columns& x, const Tensor& dw,
                         bool accumulate);
/// db = the sums of dy over its rows.
Tensor bias_gradient(const Layer& layer, const Columns& dy);
/// dz = da activation'(sums), all contiguous; dz may be da. activated, where there is one, becomes
/// activation(sums).
void sums_gradient(const Tensor& sums, const Tensor& da, Activation activation, const Tensor& dz,
                   const Tensor& activated = {});

/// activation(sums), recorded: sums are the product of x with weights [N, K] that nobody trains,
/// which unpacked() has as f32 for backward.
Tensor record_fixed(const Tensor& x, const Tensor& sums, Activation activation,
                    const std::function<Tensor()>& unpacked);

}  // namespace heed::internal
