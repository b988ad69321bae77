#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "heed/base/progress.h"

namespace heed {

/// A word of the training texts and how often it stands there.
struct WordCount {
  std::u32string word;
  int64_t count;
  int64_t last = 0;  // of these, how often it ends a text
};

struct BpeTraining {
  int64_t vocab = 8192;              // stop at this many pieces; an alphabet of more is kept whole
  int64_t min_frequency = 2;         // of a pair to be merged
  std::vector<std::string> special;  // the first ids, in this order
  std::u32string alphabet;           // characters that get a piece whether they occur or not
  std::string continuing_prefix;     // of every piece but a word's first ("##" for WordPiece)
};

/// What was learned.
struct LearnedPieces {
  std::vector<std::string> pieces;                  // by id
  std::vector<std::pair<int32_t, int32_t>> merges;  // ids, best first; what they make is a piece
  std::vector<double> scores;                       // by id; of a Unigram's pieces alone
};

/// Learns byte-pair merges as the `tokenizers` library's BpeTrainer does, ties included: the most
/// frequent pair of neighbours first, of equally frequent ones that with the lowest ids. Ids go to
/// special tokens, then to characters by code point, then (with a prefix) to continuing characters
/// by code point, then to merges. `words` must be distinct; their order decides nothing. progress
/// counts pieces. Error cancelled.
LearnedPieces train_bpe(const std::vector<WordCount>& words, const BpeTraining& options,
                        const Progress& progress = {});

}  // namespace heed
