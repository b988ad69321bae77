#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "heed/ops/attention.h"
#include "tests/ops/dice.h"

// How memory may hold what attention takes.

namespace heed::testing {

Tensor draw_values(Dice& dice, const Shape& shape, DType dtype, float spread);

/// The same rows [B, H, T, size]: batch, heads and tokens in any order, often with room around
/// them, which holds NaN; a stride that is never stepped by may be anything.
Tensor laid_out(Dice& dice, const Tensor& rows, std::string* text);

/// Tensors of heads [B, H_i, T, size] as parts of one [B, sum H_i, T, size], itself laid out in any
/// way: what one product gives for queries, keys and values.
void lay_side_by_side(Dice& dice, const std::vector<Tensor*>& parts, std::string* text);

/// Pages that hold k and v [B, G, S, size] in any order, with some that nobody uses. The first
/// `shared` pages of row 0 serve all rows, whose keys and values are the same there. Entries of
/// pages behind a row's length (none: S) may be no page.
KvPages in_pages(Dice& dice, const Tensor& k, const Tensor& v, int64_t tokens, int64_t shared,
                 const std::vector<int64_t>& lengths);

/// x [B, ...] with the first `tokens` rows of each batch row's heads as batch row 0 has them.
Tensor with_prefix(const Tensor& x, int64_t tokens);

}  // namespace heed::testing
