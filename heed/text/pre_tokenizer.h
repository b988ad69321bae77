#pragma once

#include <memory>
#include <vector>

#include "heed/text/aligned_text.h"
#include "heed/text/regex.h"
#include "heed/text/split.h"

namespace heed {

/// Cuts the pieces that are no added tokens into words. Immutable: safe from many threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(PiecedText& text) const = 0;
};

using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

/// Words between white space, every punctuation character a word of its own.
PreTokenizerPtr bert_pre_tokenizer();
/// \w+|[^\w\s]+
PreTokenizerPtr whitespace_pre_tokenizer();
PreTokenizerPtr whitespace_split_pre_tokenizer();
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior);
/// Cuts at the pattern's matches, or (`invert`) at what lies between them.
PreTokenizerPtr split_pre_tokenizer(Regex pattern, SplitBehavior behavior, bool invert);
PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> steps);

}  // namespace heed
