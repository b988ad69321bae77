#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "heed/text/train_bpe.h"

namespace heed {

struct UnigramSeed {
  std::u32string piece;
  double weight;
};

/// What a Unigram model is learned from: every character by its count, then the substrings of 2 to
/// `longest` characters that stand in two places with something different after them, by their
/// places among the distinct words times their length; `most` seeds at most, and all characters.
std::vector<UnigramSeed> unigram_seeds(const std::vector<WordCount>& words, int64_t longest,
                                       int64_t most);

}  // namespace heed
