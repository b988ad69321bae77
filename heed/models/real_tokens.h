#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "heed/models/encoder.h"

namespace heed {

/// What an encoder's blocks make of x [B, T, C] under a mask.
using EncoderBlocks = std::function<Tensor(const Tensor& x, const Mask& mask)>;

/// blocks(x) without the padding: real tokens alone stand one text after the other, [1, N, C], each
/// text a segment of the mask, and a large batch goes through all blocks in parts. x is changed; at
/// padded places the values that are given back mean nothing. A row's values are the same, bit for
/// bit, whatever stands beside it. whole: the batch goes as it is, with its padding masked, as
/// observers see it, dropout counts its places and gradients are recorded. lengths [B] or empty;
/// errors as padding_mask().
Tensor through_real_tokens(std::string_view operation, const Tensor& x,
                           const std::vector<int64_t>& lengths, bool whole,
                           const EncoderBlocks& blocks);

}  // namespace heed
