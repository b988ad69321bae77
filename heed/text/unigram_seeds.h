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

/// What a Unigram model is learned from: every character by its count, then the `most` weightiest
/// substrings of 2 to `longest` characters of one script that something different follows in two
/// places, by their places in the texts times their length. Behind a word another word follows or
/// the text ends, which are two different things.
std::vector<UnigramSeed> unigram_seeds(const std::vector<WordCount>& words, int64_t longest,
                                       int64_t most);

}  // namespace heed
