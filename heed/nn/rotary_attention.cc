#include "heed/nn/rotary_attention.h"

#include <fmt/format.h>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"

namespace heed {

RotaryAttention::RotaryAttention(const Weights& weights, const Heads& heads)
    : heads_(heads),
      projections_(Linear::stacked(weights.projections)),
      output_(weights.output),
      query_norm_(weights.query_norm),
      key_norm_(weights.key_norm) {
  if (heads.kv_heads < 1 || heads.heads % heads.kv_heads != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("attention: the heads must be a multiple of the key/value heads, found "
                            "{} and {}",
                            heads.heads, heads.kv_heads));
  }
}

/// x [B, H, T, D], a part of the projections; in its own memory where nobody needs it any more.
Tensor RotaryAttention::turned(const Tensor& x, const RotaryTable& angles) const {
  const RotaryOptions options{.pairs = heads_.pairs};
  if (recording({&x})) return rotary(x, angles, options);
  rotate_in_place(x, angles, options);
  return x;
}

Tensor RotaryAttention::operator()(const Tensor& x, const RotaryTable& angles, const Mask& mask,
                                   const Run& run) const {
  const int64_t queries = heads_.heads, keys = heads_.kv_heads;
  const Tensor projected = projections_(x);  // [B, T, (H + 2 G) D]
  const Tensor all =                         // [B, H + 2 G, T, D]
      projected.reshape({x.size(0), x.size(1), queries + 2 * keys, heads_.head_dim})
          .transpose(1, 2);
  Tensor q = all.slice(1, 0, queries), k = all.slice(1, queries, queries + keys);
  const Tensor v = all.slice(1, queries + keys, queries + 2 * keys);
  if (query_norm_) q = query_norm_(q);
  if (key_norm_) k = key_norm_(k);
  const AttentionOptions options{.mask = mask,
                                 .dropout = run.dropout(&DropoutRates::attention, queries)};
  return attend(turned(q, angles), turned(k, angles), v, options, output_, "self", run);
}

}  // namespace heed
