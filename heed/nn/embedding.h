#pragma once

#include "heed/nn/linear.h"
#include "heed/ops/embedding.h"

namespace heed {

/// A row of "weight" [V, C] for each id, equal to nn.Embedding. The table stays where and as it is
/// (a mapped file, quantised or not, a parameter in training), and only the rows asked for are
/// read.
class Embedding {
 public:
  Embedding() = default;
  /// padding: the id whose row gets no gradient from here (padding_idx); -1: none.
  Embedding(const Params& params, int64_t vocab, int64_t width, int32_t padding = -1)
      : weights_(params, width, vocab, /*with_bias=*/false), padding_(padding) {}

  /// ids [...] i32 -> [..., C] f32. Error invalid_argument names an id outside the vocabulary.
  Tensor operator()(const Tensor& ids) const {
    return weights_.blocks ? embedding(*weights_.blocks, ids)
                           : embedding(weights_.weight, ids, padding_);
  }
  /// The table as the matrix of an output product that is tied to it.
  const LinearWeights& weights() const { return weights_; }

 private:
  LinearWeights weights_;
  int32_t padding_ = -1;
};

}  // namespace heed
