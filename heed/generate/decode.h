#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "heed/generate/sampling.h"
#include "heed/generate/stepper.h"

namespace heed {

/// Why a text ends: the model wrote an end token, or there was no room for more.
enum class Finish { stop, length };
std::string_view to_string(Finish finish);

/// What a model wrote after a prompt.
struct Written {
  std::vector<int32_t> ids;  // with the end token, if there is one
  Finish finish = Finish::length;
  double score = 0;  // the sum of the tokens' log-probabilities; what beam_search() says of its own
};

struct DecodeOptions {
  int64_t max_new_tokens = 100;
  std::vector<int32_t> end_ids;
  SamplingOptions sampling;
  uint64_t seed = 0;
  std::function<void(int32_t id)> on_token;  // each token as it comes
};

/// Room for new tokens after a prompt: max_new_tokens, or what the model's positions leave. Error
/// invalid_argument for an empty prompt, one longer than the model reads or max_new_tokens below 1.
int64_t room_after(const Stepper& stepper, const std::vector<int32_t>& prompt,
                   int64_t max_new_tokens);

/// Token by token, each picked from what the model says of the text so far (greedily, or by
/// sampling). Error as room_after(), check_sampling(), pick_token(); cancelled between tokens.
Written decode(Stepper& stepper, const std::vector<int32_t>& prompt, const DecodeOptions& options);

}  // namespace heed
