#pragma once

#include <array>

#include "heed/io/json.h"
#include "heed/nn/parameter_store.h"
#include "heed/nn/run.h"

// What training takes from a model's config.json beside the model itself.

namespace heed {

inline constexpr double kInitDeviation = 0.02;  // initializer_range of GPT-2 and BERT

/// The rates of what stands on an encoder, by the families' names.
inline constexpr std::array<const char*, 3> kHeadRates = {
    "classifier_dropout", "classifier_dropout_prob", "seq_classif_dropout"};

/// Rates of dropout that a checkpoint's config.json leaves out become those that transformers'
/// class of the model_type has.
void set_usual_dropout(Json& config);

/// What training drops, as a config.json says.
DropoutRates dropout_rates_of(const Json& config);

/// How weights start, by a model's model_type: GPT-2's and BERT's normal numbers of deviation 0.02
/// (products that end a residual branch of GPT-2: over sqrt(2 L)), Glorot's for the 2017 model.
InitRule init_rule_of(const Json& config);

}  // namespace heed
