#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "heed/lens/look.h"

namespace heed {

/// Which word of the source a word of the target was made of (docs/math/lens.md).
struct AlignmentLink {
  int64_t target = 0;  // of Look::words
  int64_t source = 0;  // of Look::key_words()
  float weight = 0;    // what the target's word gives to it
};

/// The layer that alignments are read from if none is chosen: that before the last, of a single
/// layer that one (Garg et al., 2019).
int64_t alignment_layer(int64_t layers);

/// For each word of the target the source's word with the most of its cross-attention, of equal
/// ones the first. Special tokens and white space are no words here. Absent layer or head: the
/// mean over all of them. None for a source without words.
std::vector<AlignmentLink> align_words(const Look& cross, std::optional<int64_t> layer,
                                       std::optional<int64_t> head);

/// Where a word stands in its text, without white space before it.
struct WordPlace {
  Span characters;
  Span bytes;
};
WordPlace place_of(const std::string& text, const Encoding& encoding, const Word& word);

}  // namespace heed
