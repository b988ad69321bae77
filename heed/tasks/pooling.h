#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// How the vectors of a text's tokens become one, by the names sentence-transformers has.
enum class Pooling {
  cls,                   // the first token's
  max,                   // the largest value of each coordinate
  mean,                  // the sum over the number of tokens
  mean_sqrt_len_tokens,  // the sum over the root of their number
  weightedmean,          // token t (from 1) counts t times
  lasttoken,
};

/// Error unsupported lists the names.
Pooling pooling_from_name(std::string_view name);
std::string_view to_string(Pooling pooling);

/// state [B, T, C] f32 with lengths[b] >= 1 real tokens at the left of each row -> [B, P * C]: the
/// vectors of the P ways side by side. The first `skipped` tokens of a row (a prompt's) do not
/// count, but those behind them keep their places for weightedmean; a row must have more.
Tensor pool(const Tensor& state, const std::vector<int64_t>& lengths,
            const std::vector<Pooling>& ways, int64_t skipped = 0);

/// x [B, C]: each row divided, in place, by its Euclidean length (or by 1e-12, if that is longer).
void normalize_rows(const Tensor& x);

}  // namespace heed
