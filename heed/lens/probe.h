#pragma once

#include <cstdint>
#include <vector>

#include "heed/lens/heads.h"
#include "heed/models/encoder.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// How heads act on text that repeats itself and means nothing: kProbeTokens random tokens, none of
/// the vocabulary's first and last tenth, said kProbeRepeats times in a row, with what the
/// tokenizer adds around a text (Olsson et al., 2022). Sums over kProbeTexts such texts; [layers *
/// heads], whose `duplicate` and `induction` are the scores. The same seed gives the same texts.
std::vector<HeadTally> probe_repeats(const Encoder& model, const Tokenizer& tokenizer,
                                     uint64_t seed);

constexpr int64_t kProbeTokens = 25;
constexpr int64_t kProbeRepeats = 4;
constexpr int64_t kProbeTexts = 8;

}  // namespace heed
