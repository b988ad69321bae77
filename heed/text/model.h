#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/text/vocabulary.h"

namespace heed {

/// A piece of the vocabulary in a word: characters [begin, end) of the word.
struct ModelToken {
  int32_t id;
  uint32_t begin;
  uint32_t end;
  bool as_text = false;      // an unknown one that is shown as the text it stands for
  bool starts_word = false;  // within what the model took for one word
};

/// A token that BPE may still merge with its neighbours, in a list by position.
struct MergeSymbol {
  int32_t id;  // -1 once it is part of the one before
  uint32_t begin;
  uint32_t end;
  int32_t previous;  // -1: none
  int32_t next;      // -1: none
};

/// The best way to a place in a word: its score, and the piece that it ends with.
struct PathEnd {
  double score;
  uint32_t begin;  // of that piece
  int32_t piece;
};

/// Where a model puts its tokens; kept for a whole text, so that words allocate nothing.
struct ModelOutput {
  std::vector<ModelToken> tokens;
  // scratch
  std::vector<Vocabulary::Hash> hashes;
  std::vector<MergeSymbol> symbols;
  std::vector<uint64_t> queue;
  std::vector<PathEnd> path;
  std::vector<uint32_t> steps;
  std::map<int32_t, std::pair<int32_t, int32_t>> apart;  // what unused pieces were merged of
};

/// Cuts words into pieces of its vocabulary. Immutable: safe from many threads.
class Model {
 public:
  virtual ~Model() = default;
  /// Appends the word's tokens; the word is not empty.
  virtual void tokenize(std::u32string_view word, ModelOutput& out) const = 0;
  virtual std::string_view kind() const = 0;
};

}  // namespace heed
