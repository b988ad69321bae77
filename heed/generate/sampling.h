#pragma once

#include <cstdint>
#include <span>

namespace heed {

/// Which of the likely tokens may come next, by the names of generation_config.json.
struct SamplingOptions {
  double temperature = 0;  // logits are divided by it; 0: the likeliest token, always
  int64_t top_k = 0;       // only the k likeliest; 0: all
  double top_p = 1;  // only the likeliest whose probabilities together reach p (Holtzman et al.,
                     // 2019); at least one
};

/// Error invalid_argument for a temperature below 0, a top_k below 0, a top_p outside (0, 1].
void check_sampling(const SamplingOptions& options);

/// The token that a uniform draw in [0, 1) picks: temperature, then top_k, then top_p, as
/// transformers orders them. Equally likely tokens are taken by their ids. Error corrupt_data for
/// logits that are no numbers.
int32_t pick_token(std::span<const float> logits, const SamplingOptions& options, double draw);

/// Draw `step` of a text's: a function of the two alone, so that a text is the same in any batch
/// and at any number of threads.
double sampling_draw(uint64_t seed, int64_t step);

/// ln sum exp of logits; a log-probability is a logit less it.
double log_sum_exp(std::span<const float> logits);

}  // namespace heed
