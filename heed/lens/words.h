#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/tensor/tensor.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// A run of pieces that a reader takes for one word.
struct Word {
  std::string name;      // as the text writes it; "[CLS]" for what the tokenizer adds
  Span pieces;           // of the encoding, half-open
  bool special = false;  // added by the tokenizer
  int text = 0;          // of a pair: 0 or 1
};

/// The words of an encoded text (or pair), in order: pieces of one word as the tokenizer's
/// pre-tokeniser cut it stand together as far as goes_on() says (SentencePiece takes "bank," or a
/// whole text for one), special tokens alone. Of a tokenizer that takes a text with spaces for one
/// word and cuts it into characters each of them is a word.
std::vector<Word> group_words(const Encoding& encoding, std::string_view text,
                              std::string_view second = {});
/// Each piece as the text writes it, without white space around it.
std::vector<std::string> token_names(const Encoding& encoding, std::string_view text,
                                     std::string_view second = {});
/// Each piece as a word of its own, named as the vocabulary names it.
std::vector<Word> single_pieces(const Encoding& encoding);

/// Whether a piece goes on with the word that a text ends with: letters, marks and digits stand
/// together; signs, spaces and ideographs alone.
bool goes_on(std::string_view text, std::string_view piece);
/// Numbers an encoding's words (Encoding::words) by goes_on(), whatever its tokenizer takes for a
/// word; a piece of white space belongs to the word behind it. text: what was encoded.
void split_at_signs(Encoding& encoding, std::string_view text);

/// Attention weights between words from weights between pieces: what a word gets is the sum over
/// its pieces, what it gives the mean over its pieces, so rows still sum to 1. weights [..., T, S]
/// f32 -> [..., words of the rows, words of the columns].
Tensor to_words(const Tensor& weights, const std::vector<Word>& rows,
                const std::vector<Word>& columns);
/// The same of a text that looks at itself: [..., T, T] -> [..., W, W].
Tensor to_words(const Tensor& weights, const std::vector<Word>& words);

/// Vectors of words: the mean over their pieces. state [..., T, C] f32 -> [..., W, C].
Tensor word_vectors(const Tensor& state, const std::vector<Word>& words);

/// Which of the words (not special ones) have that name: as written or, if none is, whatever the
/// case of its letters.
std::vector<int64_t> find_words(const std::vector<Word>& words, std::string_view name);

/// "bank" or "bank:2" (the second "bank", from 1). A word that contains a colon is still a word.
struct WordChoice {
  std::string name;
  std::optional<int64_t> occurrence;  // from 1
};
WordChoice parse_word_choice(std::string_view text);

}  // namespace heed
