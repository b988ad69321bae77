#pragma once

#include <vector>

#include "heed/nn/attend.h"
#include "heed/nn/rms_norm.h"
#include "heed/ops/rotary.h"

namespace heed {

/// Self-attention of a decoder with rotary positions (Su et al., 2021): H heads of queries share G
/// heads of keys and values (Ainslie et al., 2023), and D need not be C / H.
class RotaryAttention {
 public:
  struct Heads {
    int64_t heads;
    int64_t kv_heads;
    int64_t head_dim;
    RotaryPairs pairs = RotaryPairs::halves;
  };
  struct Weights {
    std::vector<LinearWeights> projections;  // queries [H D, C], keys [G D, C], values [G D, C], or
                                             // one matrix of all three in that order
    LinearWeights output;                    // [C, H D]
    RmsNorm query_norm = {};                 // of each head (Qwen3); may be absent
    RmsNorm key_norm = {};
  };

  RotaryAttention() = default;
  /// Error invalid_argument if the heads are no multiple of the kv_heads.
  RotaryAttention(const Weights& weights, const Heads& heads);

  /// x [B, T, C], the angles of its tokens -> [B, T, C].
  Tensor operator()(const Tensor& x, const RotaryTable& angles, const Mask& mask,
                    const Run& run) const;

 private:
  Tensor turned(const Tensor& x, const RotaryTable& angles) const;

  Heads heads_{1, 1, 1};
  Linear projections_;
  Linear output_;
  RmsNorm query_norm_;
  RmsNorm key_norm_;
};

}  // namespace heed
