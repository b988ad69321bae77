#pragma once

#include "heed/nn/params.h"
#include "heed/ops/embedding.h"

namespace heed {

/// A row of "weight" [V, C] for each id, equal to nn.Embedding. The table stays where it is (a
/// mapped file, a parameter in training), and only the rows asked for are read.
class Embedding {
 public:
  Embedding() = default;
  Embedding(const Params& params, int64_t vocab, int64_t width)
      : table_(params.tensor("weight", {vocab, width})) {}

  /// ids [...] i32 -> [..., C] f32. Error invalid_argument names an id outside the vocabulary.
  Tensor operator()(const Tensor& ids) const { return embedding(table_, ids); }
  const Tensor& table() const { return table_; }

 private:
  Tensor table_;
};

}  // namespace heed
