#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/lens/heads.h"
#include "heed/lens/words.h"
#include "heed/models/encoder.h"
#include "heed/text/tokenizer.h"

namespace heed {

struct LookOptions {
  std::optional<std::string> second = std::nullopt;  // of a pair of texts
  bool pieces = false;    // words are the vocabulary's pieces, not grouped
  bool truncate = false;  // cut what is longer than the model reads
};

/// What a model did with one text: where every head looked, and each token's vector after each
/// layer. Layers and heads count from 0; states[0] are the embeddings, states[l + 1] comes after
/// layer l.
struct Look {
  std::string text;
  std::string second;  // of a pair, else empty
  Encoding encoding;
  std::vector<Word> words;
  Tensor weights;  // [L, H, T, T] between pieces, rows look at columns
  Tensor states;   // [L + 1, T, C]

  int64_t layers() const { return weights.size(0); }
  int64_t heads() const { return weights.size(1); }
  /// Between words, [W, W], of one layer and head; absent: the mean over all of them.
  Tensor between_words(std::optional<int64_t> layer, std::optional<int64_t> head) const;
  /// Words that draw attention without being about anything: those the tokenizer added ([CLS],
  /// [SEP]) and the text's first token, where heads rest that have nothing to look at.
  std::vector<bool> sinks() const;
  HeadStatistics statistics(int64_t layer, int64_t head) const;
  std::string_view role(int64_t layer, int64_t head) const;
};

/// Runs the model on one text and keeps what it did. Error invalid_argument for a text without
/// a word or longer than the model reads.
Look look(const Encoder& model, const Tokenizer& tokenizer, std::string_view text,
          const LookOptions& options = {});

/// Cosines of the vectors of two words, after the embeddings and each layer: [L + 1].
std::vector<float> cosines(const Look& a, int64_t word_a, const Look& b, int64_t word_b);

/// One head's looks of one word, the strongest first.
struct Gaze {
  int64_t layer = 0;
  int64_t head = 0;
  std::vector<std::pair<int64_t, float>> words;  // word and weight, at most three
};
/// The heads that look hardest from that word at another one, by their largest weight; sinks count
/// only if asked for.
std::vector<Gaze> strongest_heads(const Look& look, int64_t word, bool with_sinks, size_t most);

}  // namespace heed
