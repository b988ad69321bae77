#pragma once

#include <cstdint>
#include <vector>

#include "heed/base/progress.h"
#include "heed/models/causal.h"
#include "heed/models/encoder_decoder.h"

namespace heed {

struct ScoreOptions {
  int64_t context = 2048;  // tokens that are read at once, at most the model's positions
  int64_t stride = 0;      // of a longer text each run scores so many more; 0: half of the context
  Progress progress = {};  // tokens scored, of all
};

/// What a model says of a text.
struct TextScore {
  /// Of each token after those before it; of the first, which stands after none, NaN.
  std::vector<float> logprobs;
  double sum = 0;      // of them
  int64_t tokens = 0;  // that were scored

  /// e^-(sum / tokens); NaN where no token was scored.
  double perplexity() const;
};

/// The log-probabilities of a text's tokens. A text longer than `context` is read in windows that
/// overlap: each further one ends `stride` tokens later and scores those alone, so that every token
/// but the first ones stands after at least context - stride others. Beside the states of a window
/// it holds at most about 64 MB of logits. Error invalid_argument for no tokens, an id that is
/// none of the model's, a context below 2 and a stride outside [1, context); cancelled between
/// blocks.
TextScore score_text(const CausalModel& model, const std::vector<int32_t>& ids,
                     const ScoreOptions& options = {});

/// The log-probabilities that an encoder-decoder gives each token of a target after `start`
/// (decoder_start_token_id) and those before it, as the text that it makes of the source. Error
/// invalid_argument for no tokens on either side and for a target's id outside target_vocab, and as
/// encode() and decode(); cancelled between blocks, or steps of a recurrent model.
TextScore score_target(const EncoderDecoder& model, const std::vector<int32_t>& source,
                       int32_t start, const std::vector<int32_t>& target);

}  // namespace heed
