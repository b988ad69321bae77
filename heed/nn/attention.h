#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/nn/linear.h"
#include "heed/nn/run.h"
#include "heed/ops/attention.h"

namespace heed {

/// What multi-head attention multiplies with. C is the width, K and W the widths that keys and
/// values are made from (C for self-attention).
struct AttentionWeights {
  LinearWeights query;   // [C, C]
  LinearWeights key;     // [C, K]
  LinearWeights value;   // [C, W]
  LinearWeights output;  // [C, C]
  Tensor extra_key;      // [C], a trained key that every query sees besides (bias_k); may be absent
  Tensor extra_value;    // [C], its value (bias_v)
  bool zero_key = false;  // one more key and value of zeros (add_zero_attn)

  /// By the names of nn.MultiheadAttention: in_proj_weight or {q,k,v}_proj_weight, in_proj_bias,
  /// out_proj, bias_k, bias_v.
  struct TorchNames {
    int64_t width;
    int64_t key_width = 0;    // 0: width
    int64_t value_width = 0;  // 0: width
    bool bias = true;
  };
  static AttentionWeights from_torch(const Params& params, const TorchNames& names);
};

/// What queries, keys and values are made from; products over the same tensor are packed as one.
enum class AttentionInputs {
  self,      // all three from x
  memory,    // queries from x, keys and values from a memory
  separate,  // each from its own tensor
};

/// "Attention Is All You Need", 3.2.2: concat(head_1 .. head_H) W_o with head_h = attention(x Wq_h,
/// m Wk_h, m Wv_h). Equal to nn.MultiheadAttention(batch_first=True); masks are Mask values (see
/// torch_mask for PyTorch's own). A query that sees no key gives the output product's bias, where
/// PyTorch gives NaN.
class MultiHeadAttention {
 public:
  struct Weighted {
    Tensor y;        // [B, T, C]
    Tensor weights;  // [B, H, T, S]
  };

  MultiHeadAttention() = default;
  /// scale: the factor on q.k; absent: 1 / sqrt(D). relative: what is added by distance (T5). Error
  /// invalid_argument if the width is not a multiple of heads or the inputs do not fit.
  MultiHeadAttention(const AttentionWeights& weights, int64_t heads,
                     AttentionInputs inputs = AttentionInputs::self,
                     std::optional<float> scale = std::nullopt,
                     std::optional<RelativeBuckets> relative = std::nullopt);

  /// Self-attention: x [B, T, C] -> [B, T, C].
  Tensor operator()(const Tensor& x, const Mask& mask = {}, const Run& run = {}) const;
  /// Cross-attention: x [B, T, C], memory [B, S, K] -> [B, T, C]. In a run with a cache the
  /// memory's keys and values are made once and kept there.
  Tensor operator()(const Tensor& x, const Tensor& memory, const Mask& mask = {},
                    const Run& run = {}) const;
  /// The whole interface: query [B, T, C], key [B, S, K], value [B, S, W] -> [B, T, C]; the weights
  /// beside it. Extra keys follow the S keys in the weights' last dimension.
  Weighted with_weights(const Tensor& query, const Tensor& key, const Tensor& value,
                        const Mask& mask = {}) const;

 private:
  struct Heads {
    Tensor q;  // [B, H, T, D]
    Tensor k;  // [B, H, S, D]
    Tensor v;  // [B, H, S, D]
    Mask mask;
  };
  Heads project(const Tensor& query, const Tensor& key, const Tensor& value,
                const Mask& mask) const;
  std::vector<Tensor> products(const Tensor& query, const Tensor& key, const Tensor& value) const;
  std::pair<Tensor, Tensor> memory_keys(const Tensor& memory,
                                        const std::vector<int64_t>& lengths) const;
  AttentionOptions options(const Mask& mask, const Run& run) const;
  Tensor attend(const Heads& heads, std::string_view kind, const Run& run) const;

  AttentionInputs inputs_ = AttentionInputs::self;
  int64_t heads_ = 1;
  std::optional<float> scale_;
  std::optional<RelativeBuckets> relative_;
  std::vector<Linear> projections_;  // [qkv], [q, kv] or [q, k, v]
  Linear output_;
  std::vector<Tensor> extra_keys_;    // [C] each
  std::vector<Tensor> extra_values_;  // [C] each
};

/// weights [B, H, T, S] -> their mean over the heads [B, T, S], as nn.MultiheadAttention averages.
Tensor mean_over_heads(const Tensor& weights);

}  // namespace heed
