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
#include "heed/models/special_ids.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// How a text is written, by the names of generation_config.json.
struct GenerateOptions {
  int64_t max_new_tokens = 100;
  SamplingOptions sampling = {};
  uint64_t seed = 0;
  int64_t beams = 1;  // above 1: beam_search()
  double length_penalty = 1;
  EarlyStopping early_stopping = EarlyStopping::off;
  std::optional<std::vector<int32_t>> end_ids = {};  // instead of the checkpoint's
  /// Whole characters as they come; with beams all at once.
  std::function<void(std::string_view text)> on_text = {};
};

struct Generated {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> ids;  // the new tokens, with the end token if there is one
  std::string text;          // of the new tokens, special ones left out
  Finish finish = Finish::length;
  double score = 0;        // the sum of log-probabilities / number of tokens ^ length_penalty
  double prompt_ms = 0;    // reading the prompt (or the source) up to the first new token
  double generate_ms = 0;  // all tokens after that
};

/// Text from text by a causal language model. Safe to use from many threads.
class TextGenerator {
 public:
  /// From a folder. Without tokenizer files it takes ids alone. Errors as load_causal_model(),
  /// Tokenizer::load() and SpecialIds::read().
  static TextGenerator load(const std::filesystem::path& folder);

  /// What follows a prompt; an empty one begins with the model's begin token, if it has one. Errors
  /// as decode(); invalid_argument for beams with a temperature; unsupported for a text without
  /// a tokenizer.
  Generated operator()(std::string_view prompt, const GenerateOptions& options = {}) const;
  Generated operator()(std::vector<int32_t> prompt_ids, const GenerateOptions& options = {}) const;

 private:
  std::shared_ptr<const CausalModel> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;  // may be null
  SpecialIds special_;
};

/// Text to text by an encoder-decoder: the source as SpecialIds::as_source() says. Safe to use from
/// many threads.
class Translator {
 public:
  /// Errors as load_encoder_decoder(), Tokenizer::load() and SpecialIds::read(); corrupt_data if
  /// the files name no token that a translation begins with.
  static Translator load(const std::filesystem::path& folder);

  /// prompt_ids are the source's. Errors as decode(), and as EncoderDecoder::encode().
  Generated operator()(std::string_view text, const GenerateOptions& options = {}) const;

 private:
  std::shared_ptr<const EncoderDecoder> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  SpecialIds special_;
};

}  // namespace heed
