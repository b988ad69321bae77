#pragma once

#include <cstdint>
#include <span>

#include "heed/tensor/tensor.h"

namespace heed {

/// Which of the likely tokens may come next, by the names of generation_config.json. They apply in
/// the order in which they stand here, which is transformers'; each sees the probabilities of what
/// the ones before have left. Formulas and sources: docs/math/sampling.md.
struct SamplingOptions {
  double temperature = 0;     // scores are divided by it; 0: the likeliest token, always
  int64_t top_k = 0;          // the k likeliest, and those as likely as the last of them; 0: all
  double top_p = 1;           // the likeliest, until their probabilities together reach p
  double min_p = 0;           // those with at least this share of the likeliest one's probability
  double typical_p = 1;       // those whose -ln p is nearest to the entropy, until they reach p
  double epsilon_cutoff = 0;  // those of at least this probability; 0: all
  double eta_cutoff = 0;      // those of at least min(eta, sqrt(eta) e^-entropy); 0: all
};

/// Error invalid_argument names an option that is out of its range, or that a temperature of 0
/// leaves without a meaning.
void check_sampling(const SamplingOptions& options);

/// The token that a uniform draw in [0, 1) picks among scores [V]: candidates stand from the
/// likeliest on, of equal ones the lower id first, and the draw falls on their summed
/// probabilities. A score of -inf is a token that cannot come. Error corrupt_data for scores that
/// are no numbers, invalid_argument where no token can come.
int32_t pick_token(std::span<const float> scores, const SamplingOptions& options, double draw);

/// What beams are drawn by: scores [V] over the temperature, those that the choices leave, and
/// `least` of them at least where there are so many; the others become -inf. Error corrupt_data as
/// pick_token().
void apply_choices(std::span<float> scores, const SamplingOptions& options, int64_t least);

/// Draw `step` of a text's: a function of the two alone, so that a text is the same in any batch
/// and at any number of threads.
double sampling_draw(uint64_t seed, int64_t step);

/// A draw from Gumbel's distribution, P(G <= g) = exp(-exp(-g)), for a token behind a beam at a
/// step: a function of the four alone.
double gumbel_draw(uint64_t seed, int64_t step, int64_t beam, int32_t id);

/// ln sum exp of logits [V], to f32; a log-probability is a logit less it. NaN if there is one
/// among them.
double log_sum_exp(const Tensor& logits);

}  // namespace heed
