#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "heed/text/vocabulary.h"

namespace heed {

/// A piece of the vocabulary in a word: characters [begin, end) of the word.
struct ModelToken {
  int32_t id;
  uint32_t begin;
  uint32_t end;
};

/// A token that BPE may still merge with its neighbours, in a list by position.
struct MergeSymbol {
  int32_t id;  // -1 once it is part of the one before
  uint32_t begin;
  uint32_t end;
  int32_t previous;  // -1: none
  int32_t next;      // -1: none
};

/// Where a model puts its tokens; kept for a whole text, so that words allocate nothing.
struct ModelOutput {
  std::vector<ModelToken> tokens;
  // scratch
  std::vector<Vocabulary::Hash> hashes;
  std::vector<MergeSymbol> symbols;
  std::vector<uint64_t> queue;
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
