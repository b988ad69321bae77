#include "heed/nn/torch_mask.h"

#include <fmt/format.h>

#include "heed/base/error.h"

namespace heed {
namespace {

[[noreturn]] void refuse(std::string_view name, std::string_view needed, const Tensor& mask) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("attention: {} must be {} but is {} {}", name, needed,
                          to_string(mask.dtype()), to_string(mask.shape())));
}

/// A mask that broadcasts to [B, H, T, S], in PyTorch's sense of true.
Mask part(std::string_view name, const Tensor& mask) {
  if (mask.dtype() == DType::f32) return Mask::additive(mask);
  if (mask.dtype() != DType::boolean) refuse(name, "bool or f32", mask);
  const Tensor visible = mask.clone();
  for (bool& entry : visible.span<bool>()) entry = !entry;
  return Mask::boolean(visible);
}

}  // namespace

Mask torch_mask(const TorchMaskOptions& options) {
  Mask mask = options.is_causal ? Mask::causal(Align::top_left) : Mask();
  if (const Tensor& padding = options.key_padding_mask) {
    if (padding.rank() != 2) refuse("key_padding_mask", "[B, S]", padding);
    mask = mask & part("key_padding_mask", padding.unsqueeze(1).unsqueeze(1));
  }
  if (const Tensor& pairs = options.attn_mask) {
    if (pairs.rank() == 3 && pairs.size(0) % options.heads == 0) {
      const Tensor each = pairs.contiguous();
      mask = mask & part("attn_mask", each.reshape({each.size(0) / options.heads, options.heads,
                                                    each.size(1), each.size(2)}));
    } else if (pairs.rank() == 2) {
      mask = mask & part("attn_mask", pairs.unsqueeze(0).unsqueeze(0));
    } else {
      refuse("attn_mask", fmt::format("[T, S] or [B * {}, T, S]", options.heads), pairs);
    }
  }
  return mask;
}

}  // namespace heed
