#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/dtype_option.h"
#include "cli/json_out.h"
#include "heed/generate/generator.h"

namespace CLI {
class App;
}

namespace heed::cli {

struct Context;

/// What `generate`, `chat`, `translate` and `summarize` let choose, by the names of
/// generation_config.json; what is absent is as the checkpoint says.
struct GenerationArguments {
  std::optional<int64_t> max_new_tokens, min_new_tokens, top_k, no_repeat_ngram_size, beams;
  std::optional<int64_t> min_length, encoder_no_repeat_ngram_size;
  std::optional<double> temperature, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff;
  std::optional<double> encoder_repetition_penalty, repetition_penalty, presence_penalty,
      frequency_penalty, length_penalty;
  std::optional<int32_t> forced_bos_token_id;
  std::vector<int32_t> forced_eos_token_id, eos_token_id, suppress_tokens, begin_suppress_tokens;
  std::vector<double> exponential_decay_length_penalty;  // start and factor
  bool renormalize_logits = false;
  std::vector<std::string> logit_bias;  // "ID=X"
  std::vector<std::string> bad_words;
  std::vector<std::string> stop;
  std::string early_stopping;
};

/// How a model is loaded and what it remembers.
struct SessionArguments {
  LoadArguments load;
  std::string cache_dtype = "f32";
};

void add_session_options(CLI::App& command, SessionArguments& arguments);
CachedStepperOptions stepper_options(const SessionArguments& arguments, ContextEnd at_end);

/// new_tokens: how many are written at most where neither arguments nor checkpoint say it.
void add_generation_options(CLI::App& command, Context& context, GenerationArguments& arguments,
                            int64_t new_tokens = GenerateOptions().max_new_tokens);

/// The checkpoint's choices with the arguments over them, and the seed that the context has. The
/// tokenizer cuts bad words; it may be null where there are none. Error invalid_argument names an
/// argument that is not what it should be.
GenerateOptions generation_options(const Context& context, const GenerationArguments& arguments,
                                   const GenerateOptions& defaults, const Tokenizer* tokenizer);

/// {"load_ms": ..., "prompt_tokens": ..., "prompt_ms": ..., "new_tokens": ..., "generate_ms": ...}
OutJson timing_json(const Generated& generated, double load_ms);

}  // namespace heed::cli
