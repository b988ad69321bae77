#include "heed/nn/extra_keys.h"

#include <algorithm>

#include "heed/base/error.h"
#include "heed/ops/reduce.h"

namespace heed {
namespace {

Shape with_last(Shape shape, int64_t size) {
  shape[-1] = size;
  return shape;
}

/// part [..., S or 1], boolean, with `extra` columns of true after its S.
Tensor widen_boolean(const Tensor& part, int64_t keys, int64_t extra) {
  const Tensor full = part.expand(with_last(part.shape(), keys)).contiguous();
  Tensor wide = Tensor::empty(with_last(part.shape(), keys + extra), DType::boolean);
  const bool* from = full.data<bool>();
  bool* to = wide.data<bool>();
  for (int64_t row = 0; row < full.numel() / std::max<int64_t>(keys, 1); ++row) {
    to = std::copy_n(from + row * keys, keys, to);
    to = std::fill_n(to, extra, true);
  }
  return wide;
}

/// part [..., S or 1], f32, with `extra` columns of 0 after its S; differentiable.
Tensor widen_additive(const Tensor& part, int64_t keys, int64_t extra) {
  return concatenate(
      {part.expand(with_last(part.shape(), keys)), Tensor::zeros(with_last(part.shape(), extra))},
      -1);
}

/// Lengths, diagonals and windows as what they mean: [B, 1, T, S + extra], true = visible.
Tensor spell_out(const Mask& mask, int64_t batch, int64_t queries, int64_t keys, int64_t extra) {
  Tensor visible = Tensor::empty({batch, 1, queries, keys + extra}, DType::boolean);
  bool* out = visible.data<bool>();
  const int64_t right = mask.causal() ? 0 : mask.right();
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = mask.length(b, batch, keys);
    const int64_t offset = mask.position_offset(b, batch, queries, keys);
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t first = i + offset - mask.left();
      const int64_t last = std::min(i + offset + right, length - 1);
      for (int64_t j = 0; j < keys + extra; ++j) *out++ = j >= keys || (j >= first && j <= last);
    }
  }
  return visible;
}

}  // namespace

Tensor append_rows(const Tensor& x, const std::vector<Tensor>& rows) {
  std::vector<Tensor> parts{x};
  for (const Tensor& row : rows) {
    const Tensor of_all = row.reshape({1, 1, x.size(2), x.size(3)});
    parts.push_back(of_all.expand({x.size(0), 1, x.size(2), x.size(3)}));
  }
  return concatenate(parts, 1);
}

Mask widen_mask(const Mask& mask, int64_t batch, int64_t queries, int64_t keys, int64_t extra) {
  if (mask.segments()) {
    throw Error(ErrorCode::unsupported,
                "attention: extra keys (bias_k, bias_v, zero attention) and segments cannot be "
                "combined; give the segments as a batch with lengths");
  }
  Mask wide;
  const bool by_tensors_alone = mask.lengths().empty() && !mask.causal() &&
                                mask.left() == Mask::kOpen && mask.right() == Mask::kOpen;
  if (!by_tensors_alone) wide = Mask::boolean(spell_out(mask, batch, queries, keys, extra));
  for (const Tensor& part : mask.booleans()) {
    wide = wide & Mask::boolean(widen_boolean(part, keys, extra));
  }
  for (const Tensor& part : mask.additives()) {
    wide = wide & Mask::additive(widen_additive(part, keys, extra));
  }
  return wide;
}

}  // namespace heed
