#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/lens/heads.h"
#include "heed/lens/words.h"
#include "heed/models/encoder.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// Longer texts are told of by reports from the fused pass; whole matrices between tokens, [L, H,
/// T, T], are kept up to here, and up to so many bytes: those of 144 heads.
constexpr int64_t kMostWholeTokens = 2048;
constexpr double kMostWholeBytes = 144.0 * 4 * kMostWholeTokens * kMostWholeTokens;
/// Tokens of a text up to which both hold for a model.
int64_t most_whole_tokens(const EncoderFacts& facts);
constexpr int64_t kLongTop = 8;    // largest weights of each row of a longer text
constexpr int64_t kLongMap = 256;  // rows and columns of its maps, at most

struct LookOptions {
  std::optional<std::string> second = std::nullopt;  // of a pair of texts
  bool pieces = false;    // words are the vocabulary's pieces, not grouped
  bool truncate = false;  // cut what is longer than the model reads
  int64_t most_whole = kMostWholeTokens;
  bool only_whole = false;   // refuse longer texts
  bool states = true;        // keep each token's vectors
  bool value_norms = false;  // keep |v W_o|
  bool runs = false;         // keep what diverging() compares
  Progress progress = {};    // blocks of queries done, of all
};

/// A text as a model reads it.
struct ReadText {
  std::string text;
  Encoding encoding;
  std::vector<Word> words;
};

/// What a model did with one text: where every head looked, and each token's vector after each
/// layer. Layers and heads count from 0; states[0] are the embeddings, states[l + 1] comes after
/// layer l.
struct Look {
  std::string text;
  std::string second;  // of a pair, else empty
  Encoding encoding;
  std::vector<Word> words;
  std::optional<ReadText> source;  // of cross-attention what is looked at; else the text itself is
  Tensor weights;      // [L, H, T, S] between pieces, rows look at columns; of long texts undefined
  Tensor states;       // [L + 1, T, C], if wanted
  Tensor value_norms;  // [L, H, S], if wanted: |v W_o| of each token
  std::vector<AttentionReport> reports;  // of each layer, B = 1, without y
  AttentionReportWant want;              // what they were asked for
  std::vector<Mask> masks;               // of each layer
  std::vector<AttentionRun> runs;        // of each layer, if wanted

  int64_t tokens() const { return static_cast<int64_t>(encoding.ids.size()); }
  int64_t layers() const { return weights ? weights.size(0) : std::ssize(reports); }
  int64_t heads() const { return weights ? weights.size(1) : reports[0].lse.size(1); }
  const Encoding& key_encoding() const { return source ? source->encoding : encoding; }
  const std::vector<Word>& key_words() const { return source ? source->words : words; }
  int64_t keys() const { return std::ssize(key_encoding().ids); }
  HeadTokens head_tokens() const { return {encoding.ids, encoding.special}; }
  /// Between words, [words, key_words()], of one layer and head; absent: the mean over all of them.
  /// Needs weights.
  Tensor between_words(std::optional<int64_t> layer, std::optional<int64_t> head) const;
  /// What one word gives to each of key_words(); of long texts from the kLongTop largest weights of
  /// each head alone.
  std::vector<float> row(std::optional<int64_t> layer, std::optional<int64_t> head,
                         int64_t word) const;
  /// Words that draw attention without being about anything: those the tokenizer added ([CLS],
  /// [SEP]) and the text's first token, where heads rest that have nothing to look at.
  /// In cross-attention the added ones alone.
  std::vector<bool> sinks() const;
  std::vector<bool> key_sinks() const;
  /// One row's weight on the keys that are sinks.
  float sink_weight(int64_t layer, int64_t head, int64_t row) const;
  /// Of cross-attention entropy, spread, max and sinks alone, and no role.
  HeadStatistics statistics(int64_t layer, int64_t head) const;
  void add_to(HeadTally& tally, int64_t layer, int64_t head) const;
  std::string_view role(int64_t layer, int64_t head) const;

 private:
  void add_row(std::vector<float>& keys, int64_t layer, int64_t head, int64_t token) const;
};

/// A text's tokens and words, before a model of those facts has run. Errors as look()'s.
Look read_text(const Tokenizer& tokenizer, std::string_view text, const EncoderFacts& facts,
               const LookOptions& options = {});
/// The same of ids that a model has read and written, cut into words as IdText says. Special tokens
/// are sinks, where the text is told of by whole matrices.
Look read_ids(const std::shared_ptr<const Tokenizer>& tokenizer, std::span<const int32_t> ids,
              int64_t most_whole = kMostWholeTokens);
/// Runs the model on a text that was read.
Look look(const Encoder& model, Look read, const LookOptions& options = {});

/// The same of any stack of blocks of those facts: `run` lets it read the text, watched.
Look look(const EncoderFacts& facts, const std::function<void(const Run&)>& run, Look read,
          const LookOptions& options = {});

/// Runs the model on one text and keeps what it did. Error invalid_argument for a text without
/// a word, longer than the model reads, or longer than only_whole allows.
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
