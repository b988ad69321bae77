#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "heed/base/progress.h"
#include "heed/text/train_bpe.h"

namespace heed {

struct UnigramTraining {
  int64_t vocab =
      8192;             // most pieces, special tokens included; every character of the words is one
  int64_t special = 0;  // how many of them are special tokens, which are not given back
  int64_t longest_piece = 16;  // in characters
  int64_t seeds = 1000000;     // candidates to start from, beside all characters
  double kept = 0.75;          // of the pieces in each round
  int rounds_between = 2;      // of estimating, before pieces are dropped
};

/// Learns the pieces of a Unigram model with their log probabilities, likeliest first (Kudo 2018,
/// arXiv:1804.10959, section 3.2), as sentencepiece's trainer does: frequent substrings,
/// expectation-maximisation under a sparse prior, and dropping the pieces whose loss costs the
/// least likelihood (docs/math/unigram.md). `words` must be distinct; their order decides nothing.
/// progress counts pieces down to vocab. Error cancelled.
std::vector<std::pair<std::string, double>> train_unigram(std::vector<WordCount> words,
                                                          const UnigramTraining& options,
                                                          const Progress& progress = {});

}  // namespace heed
