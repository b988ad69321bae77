#include "heed/ops/feed_forward.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "heed/autograd/tape.h"
#include "heed/ops/chunks.h"
#include "heed/ops/linear_gradient.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

using namespace internal;

/// Its element in the list of inputs.
enum Input : size_t { kX, kWiden, kWidenBias, kNarrow, kNarrowBias };

/// x times 0 or the dropout's factor, where it lies.
void drop(const Dropout& dropout, const Tensor& x) {
  if (!dropout.on()) return;
  float* at = x.data<float>();
  parallel_chunks(x.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    kernels::dropout(dropout, begin, at + begin, at + begin, end - begin);
  });
}

/// What backward needs.
struct Step {
  Layer widen, narrow;
  Tensor x;     // [..., C]; undefined where the first weight needs no gradient
  Tensor sums;  // [..., F]
  Activation activation;
  Dropout dropout;
  Shape shape;  // of x

  void operator()(const Tensor& dy, Gradients& to) const {
    const Columns above = columns_of(dy);
    const bool inside = to.wants(kX) || to.wants(kWiden) || to.wants(kWidenBias);
    const Tensor dz = inside ? Tensor::empty(sums.shape()) : Tensor();
    Tensor hidden;
    if (inside) {
      if (to.wants(kNarrow)) hidden = Tensor::empty(sums.shape());
      project_back(narrow, above, columns_of(dz));
      drop(dropout, dz);
      sums_gradient(sums, dz, activation, dz, hidden);
    } else if (to.wants(kNarrow)) {
      hidden = activate(sums, activation);
    }
    if (to.wants(kNarrowBias)) to.add(kNarrowBias, bias_gradient(narrow, above));
    if (to.wants(kNarrow)) {
      drop(dropout, hidden);
      to.add(kNarrow, weight_gradient(narrow, above, columns_of(hidden)));
    }
    if (!inside) return;
    const Columns inner = columns_of(dz);
    if (to.wants(kWidenBias)) to.add(kWidenBias, bias_gradient(widen, inner));
    if (to.wants(kWiden)) to.add(kWiden, weight_gradient(widen, inner, columns_of(x)));
    if (!to.wants(kX)) return;
    const Tensor dx = Tensor::empty(shape);
    project_back(widen, inner, columns_of(dx));
    to.add(kX, dx);
  }
};

}  // namespace

Tensor feed_forward(const Tensor& x, const FeedForwardWeights& weights, Activation activation,
                    const Dropout& dropout) {
  check_weights({weights.widen}, {weights.widen_bias});
  check_weights({weights.narrow}, {weights.narrow_bias});
  check_input(x, weights.widen.size(1));
  Dims("feed_forward").bind("widen", weights.widen, "F C").bind("narrow", weights.narrow, "O F");
  const std::vector<Tensor> inputs{x.contiguous(), weights.widen, weights.widen_bias,
                                   weights.narrow, weights.narrow_bias};
  const bool recorded = recording(inputs);
  const bool kept_apart = recorded && (activation != Activation::none || dropout.on());
  Shape shape = x.shape();
  shape[-1] = weights.widen.size(0);
  const Tensor sums = Tensor::empty(shape);
  const Tensor hidden = kept_apart ? Tensor::empty(shape) : sums;
  Step step{.widen = {weights.widen, weights.widen_bias},
            .narrow = {weights.narrow, weights.narrow_bias},
            .x = inputs[kX].detach(),
            .sums = sums,
            .activation = activation,
            .dropout = dropout,
            .shape = x.shape()};
  project(step.widen, columns_of(step.x), columns_of(sums), activation, hidden.data<float>());
  if (kept_apart && activation == Activation::none) {  // dropout alone
    std::copy_n(sums.data<float>(), sums.numel(), hidden.data<float>());
  }
  drop(dropout, hidden);
  shape[-1] = step.narrow.outputs();
  const Tensor y = Tensor::empty(shape);
  project(step.narrow, columns_of(hidden), columns_of(y));
  if (!recorded) return y;
  if (!weights.widen.traced()) step.x = Tensor();
  return record(y, inputs, std::move(step));
}

}  // namespace heed
