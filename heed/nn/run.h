#pragma once

#include <string_view>

#include "heed/ops/attention.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// Whoever watches a model run (the lens, `forward --want`). Methods are called in layer order on
/// the calling thread.
class Observer {
 public:
  virtual ~Observer() = default;
  /// What to compute beside y in this layer's attention; kind is "self" or "cross".
  virtual AttentionWant wants(int /*layer*/, std::string_view /*kind*/) { return {}; }
  virtual void attention(int /*layer*/, std::string_view /*kind*/, const AttentionOutputs&) {}
  /// State [B, T, C] after the embeddings (layer 0) and after each block (1 to L).
  virtual void hidden_state(int /*layer*/, const Tensor& /*state*/) {}
};

/// What a run carries beside the tensors. Layers hand it on; only attention and the block
/// boundaries look into it.
struct Run {
  Observer* observer = nullptr;
  int layer = 0;
};

}  // namespace heed
