#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "heed/generate/decode.h"

namespace heed {

/// When a beam search is content with the texts that have ended.
enum class EarlyStopping {
  off,    // when the best that still grows would, ending now, not be among them
  on,     // as soon as there are as many as beams
  never,  // when the best that still grows cannot be among them, however long it gets
};

/// By the names of generation_config.json.
struct BeamOptions {
  int64_t beams = 4;
  double length_penalty = 1;  // scores are divided by length ^ penalty: above 0 favours long texts
  EarlyStopping early_stopping = EarlyStopping::off;
  int64_t max_new_tokens = 100;
  int64_t max_length = 0;  // as in DecodeOptions
  std::vector<int32_t> end_ids = {};
  ScoreRules rules = {};                           // of log-probabilities, as transformers has it
  std::vector<std::vector<int32_t>> sources = {};  // as in DecodeOptions
  SamplingOptions sampling = {};                   // with a temperature beams are drawn
  uint64_t seed = 0;                               // of the draws
  int64_t likeliest = 0;                           // as in DecodeOptions
  /// Takes a text's new tokens one after the other and says of each whether the text ends with it,
  /// besides end_ids. It may remember what it took: texts that part go on with copies of it.
  std::function<bool(int32_t id)> stops = {};
};

/// The `beams` texts with the best scores that were found, best first: score = sum of the tokens'
/// log-probabilities after rules / length ^ length_penalty, the end token counted. At every step
/// the likeliest `beams` continuations of the likeliest `beams` texts are kept (Graves, 2012;
/// Sutskever et al., 2014); equal to transformers' generate(num_beams).
/// With a temperature the continuations are not the likeliest but drawn without replacement, by
/// their probabilities over all beams after rules and choices, which are what a score sums up: the
/// largest of score + Gumbel noise are such a draw (Yellott, 1977; Kool et al., 2019). Distributed
/// as transformers' generate(num_beams, do_sample); a function of prompt and seed alone. Formulas:
/// docs/math/beam-search.md. Errors as decode(), and cancelled between tokens.
std::vector<Written> beam_search(Stepper& stepper, const std::vector<int32_t>& prompt,
                                 const BeamOptions& options);

/// The same of several prompts at once, each the same as alone: a step reads all their beams.
std::vector<std::vector<Written>> beam_search_batch(
    Stepper& stepper, const std::vector<std::vector<int32_t>>& prompts, const BeamOptions& options);

}  // namespace heed
