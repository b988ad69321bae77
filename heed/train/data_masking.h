#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace heed {

/// BERT's masking (Devlin et al. 2018, 3.1): each token is chosen with probability `part`; of those
/// 80 % become the mask, 10 % a token drawn from the vocabulary, 10 % stay.
struct Masking {
  double part = 0.15;
  int32_t mask_id = 0;
  int64_t vocab = 0;  // tokens that are drawn from
};

/// Masks a row in place and gives the targets: the old id where a token was chosen, else kNoTarget.
/// What happens to a token depends on seed, epoch, row and its place alone. `special`: never
/// chosen.
std::vector<int32_t> mask_row(std::span<int32_t> ids, const std::vector<bool>& special,
                              const Masking& masking, uint64_t seed, int64_t epoch, int64_t row);

}  // namespace heed
