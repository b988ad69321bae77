#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/generate/beam_search.h"
#include "heed/generate/decode.h"
#include "heed/models/registry.h"
#include "heed/models/special_ids.h"
#include "heed/text/tokenizer.h"

namespace heed {

struct Generated;

/// How a text is written, by the names of generation_config.json.
struct GenerateOptions {
  int64_t max_new_tokens = 100;
  int64_t max_length = 0;  // with the prompt; 0: the model's positions
  ScoreRules rules = {};
  SamplingOptions sampling = {};
  uint64_t seed = 0;
  int64_t samples = 1;  // num_return_sequences: texts for each prompt
  int64_t beams = 1;    // num_beams; above 1: beam_search(), drawn with a temperature
  double length_penalty = 1;
  EarlyStopping early_stopping = EarlyStopping::off;
  int64_t likeliest = 0;               // alternatives told of at each place
  std::vector<std::string> stop = {};  // stop_strings: a text ends before the first one in it
  std::optional<std::vector<int32_t>> end_ids = {};  // instead of the checkpoint's
  /// What an encoder-decoder's texts begin with, after decoder_start_token_id and, where there is
  /// one, forced_bos_token_id.
  std::vector<int32_t> target_prefix = {};
  /// Whole characters as they come, of the text of that number (samples of a prompt stand
  /// together); with beams all at once. What may be the start of a stop string waits.
  std::function<void(int64_t text, std::string_view piece)> on_text = {};
  std::function<void(int64_t text, const Generated& generated)> on_end = {};  // of each text
};

struct Generated {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> prefix_ids = {};  // target_prefix, behind what is forced to stand before it
  std::vector<int32_t> ids;  // the new tokens, with the end token or a stop string's if it has one
  std::string text;  // of prefix_ids and ids, special ones left out, before a stop string in ids
  Finish finish = Finish::length;
  double score = 0;             // the sum of log-probabilities / number of tokens ^ length_penalty
  std::vector<float> logprobs;  // of each new token, by the model, before rules and temperature
  std::vector<std::vector<TokenLogprob>> likeliest;  // at each place, if wanted
  double prompt_ms = 0;    // reading the prompts (or the source) up to the first new token
  double generate_ms = 0;  // all of the text's tokens after that

  /// All that an encoder-decoder's text consists of: prefix_ids and ids.
  std::vector<int32_t> target_ids() const;
};

/// What writes texts from texts, whatever the model: a checkpoint with its tokenizer, its special
/// tokens and what it says of how its texts are written. Without a tokenizer it takes ids alone.
/// Safe to use from many threads.
class Generator {
 public:
  virtual ~Generator() = default;

  /// What the checkpoint's generation_config.json says, for what it does not say our own defaults.
  const GenerateOptions& defaults() const { return defaults_; }
  const SpecialIds& special() const { return special_; }
  bool has_tokenizer() const { return tokenizer_ != nullptr; }
  /// Error unsupported without tokenizer files.
  const std::shared_ptr<const Tokenizer>& tokenizer() const;

  /// How many tokens there are to write.
  virtual int64_t vocab() const = 0;
  /// What batch() begins with. Error invalid_argument for options out of their range and for ids
  /// outside the vocabulary; unsupported for stop strings without a tokenizer.
  void check(const GenerateOptions& options) const;

  /// A prompt's, or source's, ids as the model reads them. Error as tokenizer().
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;

  /// The texts of several prompts, which are read and written on together: `samples` texts a
  /// prompt, which stand together, each the same as alone; with beams the best ones, which may be
  /// fewer. Where a stop is asked for, what was written by then (beams: Error cancelled). Errors as
  /// check(), decode() and beam_search(); invalid_argument for a target_prefix of a causal model.
  virtual std::vector<Generated> batch(std::vector<std::vector<int32_t>> prompts,
                                       const GenerateOptions& options) const = 0;

  /// The first, or best, of one prompt's samples. Errors as batch().
  Generated operator()(std::string_view text, const GenerateOptions& options) const;
  Generated operator()(std::string_view text) const { return (*this)(text, defaults_); }
  Generated operator()(std::vector<int32_t> ids, const GenerateOptions& options) const;

 protected:
  void read(const std::filesystem::path& model);

  std::shared_ptr<const Tokenizer> tokenizer_;  // may be null
  SpecialIds special_;
  GenerateOptions defaults_;
};

/// Text from text by a causal language model: what follows a prompt.
class TextGenerator : public Generator {
 public:
  /// From a folder or a GGUF file. base: what counts where the checkpoint says nothing. Errors as
  /// load_causal_model(), Tokenizer::load(), SpecialIds::read() and read_generation_config().
  static TextGenerator load(const std::filesystem::path& model, const LoadOptions& options = {},
                            const GenerateOptions& base = {});

  const CausalModel& model() const { return *model_; }
  int64_t vocab() const override { return model_->facts().vocab; }
  /// An empty prompt begins with the model's begin token, if it has one.
  std::vector<int32_t> encode(std::string_view prompt) const override;
  std::vector<Generated> batch(std::vector<std::vector<int32_t>> prompts,
                               const GenerateOptions& options) const override;
  /// The same with a stepper that remembers what it has read, for one call after another.
  std::vector<Generated> batch(Stepper& stepper, std::vector<std::vector<int32_t>> prompts,
                               const GenerateOptions& options) const;
  std::unique_ptr<CachedStepper> stepper(const CachedStepperOptions& options = {}) const;

 private:
  std::shared_ptr<const CausalModel> model_;
};

/// Text from text by an encoder-decoder: what it makes of a source, after decoder_start_token_id.
class Translator : public Generator {
 public:
  /// base: what counts where the checkpoint says nothing. A folder without generation_config.json
  /// is taken to say what its config.json does, as transformers has it; what config.json says of
  /// the task under task_specific_params ("summarization") counts over both. Errors as
  /// load_encoder_decoder(), Tokenizer::load(), SpecialIds::read() and read_generation_config();
  /// corrupt_data if the files name no token that a text begins with.
  static Translator load(const std::filesystem::path& folder, const LoadOptions& options = {},
                         const GenerateOptions& base = {.beams = 4}, std::string_view task = {});

  /// The same for texts of one language and into another, by the tokens that mBART's tokenizers
  /// have for them ("en_XX"), as src_lang and tgt_lang of transformers' are; "" leaves what the
  /// checkpoint says. What is written begins with the target's language (mBART-50), or after it
  /// (mBART). Errors unsupported for a tokenizer that puts no language beside a text,
  /// invalid_argument for a language that it does not have.
  Translator with_languages(std::string_view source, std::string_view target) const;

  const EncoderDecoder& model() const { return *model_; }
  int64_t vocab() const override { return model_->facts().target_vocab; }
  /// What the checkpoint says that sources begin with (T5's "summarize: "), which encode() does not
  /// add.
  const std::string& prefix() const { return prefix_; }
  /// As the tokenizer's template has it, or, where there is none (and for models that Heed trains),
  /// as SpecialIds::as_source() says.
  std::vector<int32_t> encode(std::string_view source) const override;
  /// The same with the places that tokens have in the text.
  Encoding encoding(std::string_view source) const;
  /// A text as the model would write it, with its end: as encode(), but that a Marian's target.spm
  /// cuts it. Of models that write a language's token (mBART) with_languages()'s target stands
  /// there, else the source's.
  std::vector<int32_t> encode_target(std::string_view target) const;
  /// The beginning of such a text for GenerateOptions::target_prefix: the same without what stands
  /// around it.
  std::vector<int32_t> encode_target_prefix(std::string_view prefix) const;
  /// Error invalid_argument, which begins with the source's `name` ("translate: text 3"), for ids
  /// that the model cannot read: none, or more than its positions.
  void check_source(const std::vector<int32_t>& ids, const std::string& name) const;
  /// prompt_ids of what is given back are the source's. Errors as check_source() of every source,
  /// before any is read, and as EncoderDecoder::encode() too.
  std::vector<Generated> batch(std::vector<std::vector<int32_t>> sources,
                               const GenerateOptions& options) const override;
  std::vector<Generated> batch(const std::vector<std::vector<int32_t>>& sources,
                               const GenerateOptions& options, const KvCacheOptions& cache) const;

 private:
  Encoding encoded(const Tokenizer& tokenizer, std::string_view text,
                   std::optional<int32_t> language) const;
  const Tokenizer& of_targets() const;

  std::shared_ptr<const EncoderDecoder> model_;
  std::shared_ptr<const Tokenizer> target_tokenizer_;  // null: tokenizer()
  std::string prefix_;
  std::optional<int32_t> source_language_, target_language_;  // instead of the tokenizer's
};

}  // namespace heed
