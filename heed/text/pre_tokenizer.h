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
/// Cuts where the script changes; what belongs to none goes with what stands before it, and is left
/// out where nothing does.
PreTokenizerPtr unicode_scripts_pre_tokenizer();
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior);
/// Cuts at the pattern's matches, or (`invert`) at what lies between them.
PreTokenizerPtr split_pre_tokenizer(Regex pattern, SplitBehavior behavior, bool invert);
/// Words of `length` characters; a piece's last one may be shorter.
PreTokenizerPtr fixed_length_pre_tokenizer(uint32_t length);
/// SentencePiece's way: spaces become `replacement`, one stands in front of each piece (or only of
/// the first, or of none), and words begin with it (unless `split` is false).
struct MetaspaceOptions {
  enum class Prepend { always, first, never };
  char32_t replacement = U'\u2581';
  Prepend prepend = Prepend::always;
  bool split = true;
};
PreTokenizerPtr metaspace_pre_tokenizer(const MetaspaceOptions& options);
PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> steps);

}  // namespace heed
