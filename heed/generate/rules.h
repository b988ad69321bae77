#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace heed {

/// Tokens in a row, and what is added to the score of the last one where the others have just been
/// written; -inf forbids the row.
struct SequenceBias {
  std::vector<int32_t> ids;
  float bias = 0;
};

/// What makes a text's end likelier, the longer the text is.
struct LengthDecay {
  int64_t start = 0;  // new tokens after which it begins
  double factor = 1;  // above 1
};

/// What changes a model's scores before a token is picked, by the names of generation_config.json
/// (presence_penalty and frequency_penalty by those of OpenAI's interface). They apply in the order
/// in which they stand here, which is transformers'. Formulas: docs/math/sampling.md.
struct ScoreRules {
  std::vector<SequenceBias> sequence_bias;
  double encoder_repetition_penalty = 1;  // of tokens in the source: scores below 0 are divided by
                                          // it, others multiplied, so that above 1 they come
  double repetition_penalty = 1;  // of tokens in the prompt or after: scores above 0 are divided by
                                  // it, others multiplied (Keskar et al., 2019)
  double presence_penalty = 0;    // taken from the score of each token that was written before
  double frequency_penalty = 0;   // the same for each time that it was
  int64_t no_repeat_ngram_size = 0;  // so many tokens never stand in a row twice; 0: they may
  int64_t encoder_no_repeat_ngram_size = 0;  // so many tokens of the source never stand in a row
  std::vector<std::vector<int32_t>> bad_words_ids;  // rows of tokens that are never finished
  int64_t min_length = 0;      // no end before prompt and new tokens are so many
  int64_t min_new_tokens = 0;  // no end before so many new tokens; above 0 it counts alone
  std::optional<int32_t> forced_bos_token_id;  // the second token, where a text began with one
  std::vector<int32_t> forced_eos_token_id;    // the last token there is room for
  /// n tokens after its start |score| (factor^n - 1) is added to the end's score.
  std::optional<LengthDecay> exponential_decay_length_penalty = {};
  std::vector<int32_t> suppress_tokens;        // never come
  std::vector<int32_t> begin_suppress_tokens;  // do not come first
  /// Last, after choices (sampling.h) too, scores become log-probabilities again, which is seen in
  /// what beams sum up alone.
  bool renormalize_logits = false;

  /// Whether scores stay as they are.
  bool none() const;
};

/// Error invalid_argument names a rule that is out of its range.
void check_rules(const ScoreRules& rules);

/// Error invalid_argument names what has an id outside [0, vocab), however late it would be used.
void check_rule_ids(const ScoreRules& rules, int64_t vocab);
void check_ids(const char* name, std::span<const int32_t> ids, int64_t vocab);

/// Where a text stands.
struct TextState {
  std::span<const int32_t> ids;     // prompt and what was written
  std::span<const int32_t> source;  // what an encoder-decoder writes from; else the prompt
  int64_t prompt_tokens = 0;
  int64_t most_tokens = 0;  // that prompt and text may have together
  std::span<const int32_t> end_ids;
};

/// Changes scores [V] as the rules say, but for renormalize_logits. Error invalid_argument names a
/// rule's id outside [0, V).
void apply_rules(std::span<float> scores, const TextState& text, const ScoreRules& rules);

/// What renormalize_logits asks for: scores [V] become log-probabilities.
void renormalize(std::span<float> scores);

}  // namespace heed
