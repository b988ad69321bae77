#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "heed/generate/rules.h"
#include "heed/generate/sampling.h"
#include "heed/generate/stepper.h"

namespace heed {

/// Why a text ends: the model wrote an end token or what the caller stops at, there was no room for
/// more, or the caller asked for it (request_cancel()).
enum class Finish { stop, length, interrupted };
std::string_view to_string(Finish finish);

/// A token and its log-probability by the model, before rules and temperature.
struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

/// What a model wrote after a prompt.
struct Written {
  std::vector<int32_t> ids;  // with the end token, if there is one
  Finish finish = Finish::length;
  double score = 0;  // the sum of the tokens' log-probabilities; what beam_search() says of its own
  std::vector<float> logprobs = {};                       // of each id, as in TokenLogprob
  std::vector<std::vector<TokenLogprob>> likeliest = {};  // at each id's place, if wanted
};

struct DecodeOptions {
  int64_t max_new_tokens = 100;
  int64_t max_length = 0;  // with the prompt; 0: the model's positions
  std::vector<int32_t> end_ids = {};
  ScoreRules rules = {};
  /// Of each prompt what an encoder-decoder writes from, which rules ask for; empty: the prompts.
  std::vector<std::vector<int32_t>> sources = {};
  SamplingOptions sampling = {};
  uint64_t seed = 0;
  int64_t samples = 1;    // texts for each prompt; the first is that of samples = 1
  int64_t likeliest = 0;  // so many alternatives are told of at each place
  /// Each token as it comes; false ends its text there. Texts count through all prompts' samples.
  std::function<bool(int64_t text, int32_t id)> on_token = {};
  std::function<void(int64_t text, const Written& written)> on_end = {};
};

/// New tokens that there is room for after a prompt. Error invalid_argument for an empty prompt,
/// one longer than the model reads or than max_length, and for max_new_tokens below 1.
int64_t room_after(const Stepper& stepper, const std::vector<int32_t>& prompt,
                   int64_t max_new_tokens, int64_t max_length);

/// Token by token, each picked from what the model says of the text so far (greedily, or by
/// sampling). Error as room_after(), check_sampling(), check_rules(), pick_token(). Where a stop is
/// asked for (request_cancel()), what was written by then is given.
Written decode(Stepper& stepper, const std::vector<int32_t>& prompt, const DecodeOptions& options);

/// The same of several prompts at once, `samples` texts for each one, which stand together. A text
/// is a function of its prompt, the seed and its number among the samples: it is the same alone.
std::vector<Written> decode_batch(Stepper& stepper,
                                  const std::vector<std::vector<int32_t>>& prompts,
                                  const DecodeOptions& options);

// What the strategies share.

/// The `count` likeliest tokens of logits [V] whose log_sum_exp is `whole`.
std::vector<TokenLogprob> likeliest_tokens(const Tensor& logits, double whole, int64_t count);
/// Error corrupt_data where log_sum_exp is no number.
double checked_log_sum_exp(const Tensor& logits);

}  // namespace heed
