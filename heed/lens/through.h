#pragma once

#include "heed/lens/look.h"
#include "heed/lens/picture.h"

namespace heed {

/// The look with weight x |v W_o| in place of weights (Kobayashi et al., 2020): how long a vector
/// each token moves to each. Needs weights and value norms; rows do not sum to 1.
Look with_norms(Look look);

/// The look with attention_rollout() in place of weights, [L, 1, T, T]: layer l is what reaches a
/// token from the input through layers 0 to l. Needs weights.
Look with_rollout(Look look);

/// attention_flow() from a word after that layer down to each word, as [W]: the mean over the
/// word's pieces, the sum over each other word's. Needs weights; error as attention_flow.
std::vector<float> word_flow(const Look& look, int64_t layer, int64_t word);

}  // namespace heed
