#pragma once

#include <memory>
#include <vector>

#include "heed/text/aligned_text.h"

namespace heed {

/// Cuts the pieces that are no added tokens into words. Immutable: safe from many threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(PiecedText& text) const = 0;
};

using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

/// What happens to a match of the pattern that words are cut at: "the-final--countdown" at '-'
/// becomes the|final|countdown, the|-|final|-|-|countdown, the-|final-|-|countdown,
/// the|-final|-|-countdown or the|-|final|--|countdown.
enum class SplitBehavior {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous,
};

/// Words between white space, every punctuation character a word of its own.
PreTokenizerPtr bert_pre_tokenizer();
/// \w+|[^\w\s]+
PreTokenizerPtr whitespace_pre_tokenizer();
PreTokenizerPtr whitespace_split_pre_tokenizer();
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior);
PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> steps);

}  // namespace heed
