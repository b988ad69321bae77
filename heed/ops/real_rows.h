#pragma once

#include <cstdint>
#include <span>

#include "heed/tensor/tensor.h"

namespace heed {

/// The rows of x [B, T, C], f32, that are real, lengths[b] of each batch row, one after the other:
/// [1, N, C].
Tensor pack_rows(const Tensor& x, std::span<const int64_t> lengths);

/// pack_rows() the other way round, y [1, N, C] into x; its other rows stay as they are.
void unpack_rows(const Tensor& y, std::span<const int64_t> lengths, const Tensor& x);

}  // namespace heed
