#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"

namespace heed {

/// Characters (a piece each), byte-level byte-pair encoding as GPT-2's (nothing is unknown to it),
/// WordPiece as BERT's, or Unigram as T5's.
enum class TokenizerKind { characters, bpe, wordpiece, unigram };
/// Their names, in the enumerators' order.
inline constexpr std::array<std::string_view, 4> kTokenizerKinds = {"characters", "bpe",
                                                                    "wordpiece", "unigram"};
/// The kind of that name, or nothing.
std::optional<TokenizerKind> tokenizer_kind(std::string_view name);

struct TokenizerTraining {
  TokenizerKind kind = TokenizerKind::bpe;
  int64_t vocab = 8192;  // most pieces, special ones included
  /// Of a pair to be merged (default 2), of a character to get a piece (default 1); not for
  /// unigram.
  std::optional<int64_t> min_frequency;
  /// The first ids, in this order. Default: <|endoftext|> for bpe, BERT's [PAD] [UNK] [CLS] [SEP]
  /// [MASK] for wordpiece, T5's <pad> </s> <unk> for unigram, none for characters.
  std::optional<std::vector<std::string>> special;
  /// For what has no piece: a special token. Default: [UNK] for wordpiece, <unk> for unigram; none
  /// for characters, which then need a piece for every character. None for bpe.
  std::optional<std::string> unknown;
  bool lowercase = false;
};

/// Learns a tokenizer from texts. The same texts in any order give the same tokenizer.
class TokenizerTrainer {
 public:
  /// Error invalid_argument for options that contradict one another.
  explicit TokenizerTrainer(TokenizerTraining options);
  ~TokenizerTrainer();

  /// Counts the words of a text: a line with its end, a sentence or more.
  void add(std::string_view text);

  /// tokenizer.json, which Tokenizer::load and the `tokenizers` library read. progress counts
  /// pieces of the vocabulary. Error invalid_argument if there was no text or if `vocab` is too
  /// small for the characters; cancelled.
  std::string train(const Progress& progress = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace heed
