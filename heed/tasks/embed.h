#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/models/encoder.h"
#include "heed/nn/linear.h"
#include "heed/tasks/notes.h"
#include "heed/tasks/pooling.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// What follows the encoder, as modules.json of sentence-transformers lists it. Without that file:
/// the mean, not normalised.
struct EmbedSteps {
  struct Dense {
    Linear linear;
    Activation activation;
    int64_t inputs;
    int64_t outputs;
  };
  bool from_files = false;  // modules.json was there
  std::vector<Pooling> pooling{Pooling::mean};
  std::vector<Dense> dense;
  bool normalize = false;
  bool include_prompt = true;                  // whether a prompt's tokens are pooled
  std::map<std::string, std::string> prompts;  // config_sentence_transformers.json's, by name
  std::string default_prompt;                  // the name of the one for all texts, or empty
  std::optional<int64_t> max_tokens;  // sentence_bert_config.json's max_seq_length, or else
                                      // tokenizer_config.json's model_max_length
  bool lower_case = false;            // its do_lower_case: texts are lowered before the tokenizer

  /// Error unsupported for modules Heed does not do; corrupt_data for files that do not fit
  /// together. encoder_folder receives where the encoder's own files are.
  static EmbedSteps read(const std::filesystem::path& folder,
                         std::filesystem::path* encoder_folder);
};

/// What to do differently from what the checkpoint's files say.
struct EmbedderOptions {
  std::optional<Pooling> pooling;
  std::optional<bool> normalize;
  std::string prompt_name = {};  // instead of default_prompt_name
};

struct EmbedOptions {
  int64_t batch = 32;  // texts computed at once (fewer where they are long: 4,096 tokens suffice)
  Progress progress;   // in texts
  /// What is put before every text. Absent: steps().default_prompt's, if there is one.
  std::optional<std::string> prompt = {};
  RunNotes* notes = nullptr;  // of several calls: counts the texts that were cut
};

struct Embeddings {
  Tensor vectors;               // [N, W] f32
  std::vector<int64_t> tokens;  // [N] tokens read, special ones included
  std::vector<bool> truncated;  // [N] whether the text had more
};

/// Sentence vectors: tokenizer, encoder and the steps after it. Copies share the weights; safe to
/// call from many threads.
class Embedder {
 public:
  /// A name in the hub's cache or a folder. What decides without the user's word (a missing
  /// modules.json) is told to the log sink. Errors not_found, corrupt_data, unsupported;
  /// invalid_argument for a prompt that the checkpoint does not name.
  static Embedder load(std::string_view name_or_path, const EmbedderOptions& options = {});

  /// Vectors in the texts' order. The same text gives the same bits whatever stands beside it.
  /// Errors cancelled between batches; invalid_argument for a prompt that leaves no room for a
  /// text, and for a text without tokens.
  Embeddings operator()(std::span<const std::string> texts, const EmbedOptions& options = {}) const;
  /// One text -> [W].
  Tensor operator()(std::string_view text) const;
  /// A vector for each token of a text's ids [T] -> [T, W]: its last hidden state through the steps
  /// after the encoder but the normalisation, as if it were all of a text. Where those are the mean
  /// alone, these are what it is the mean of: their products with another text's vector are the
  /// parts of the two texts' cosine, but for a factor.
  Tensor token_vectors(const std::vector<int32_t>& ids) const;

  /// What the checkpoint puts before questions ("query"), and before what is searched for them
  /// (the first it has of "document", "passage" and "corpus"); empty if it names none.
  std::string query_prompt() const;
  std::string document_prompt() const;

  int64_t width() const { return width_; }  // W
  /// Tokens of a text that are read.
  int64_t max_tokens() const { return max_tokens_; }
  const EmbedSteps& steps() const { return steps_; }
  const Encoder& encoder() const { return *encoder_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  Embedder() = default;
  std::string prompt_of(const EmbedOptions& options) const;
  int64_t skipped_tokens(const std::string& prompt) const;
  Tensor embed_rows(const std::vector<std::vector<int32_t>>& rows, int64_t skipped) const;
  Tensor after_encoder(const Tensor& states, const std::vector<int64_t>& lengths, bool normalize,
                       int64_t skipped) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Encoder> encoder_;
  EmbedSteps steps_;
  int64_t max_tokens_ = 0;
  int64_t width_ = 0;
};

}  // namespace heed
