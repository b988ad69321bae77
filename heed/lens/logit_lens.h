#pragma once

#include <cstdint>
#include <vector>

#include "heed/base/progress.h"
#include "heed/lens/token_table.h"
#include "heed/models/causal.h"
#include "heed/models/encoder_decoder.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// What the model would say after each token if its layers ended there: the final norm and the
/// output matrix on every hidden state (nostalgebraist, "interpreting GPT: the logit lens", 2020).
/// Row 0 is the embeddings, row l + 1 comes after layer l, row L is what the model says.
struct LogitLens {
  std::vector<int32_t> ids;  // [T], the text
  Tensor said;               // [L + 1, T, top] i32: the likeliest tokens, falling
  Tensor probabilities;      // [L + 1, T, top]
  Tensor next;  // [L + 1, T]: ln p of the token that comes next in the text; NaN for the last

  int64_t rows() const { return said.size(0); }
};

/// Memory beside the result: a run's states and 64 MB of logits. Progress counts rows. Errors as
/// the model's; invalid_argument for a top outside [1, V]; cancelled between blocks of rows.
LogitLens logit_lens(const CausalModel& model, const std::vector<int32_t>& ids, int64_t top,
                     const Progress& progress = {});
/// The same of a decoder's layers, given the source: ids are what the decoder reads, its start
/// token first.
LogitLens logit_lens(const EncoderDecoder& model, const std::vector<int32_t>& source,
                     const std::vector<int32_t>& ids, int64_t top, const Progress& progress = {});

/// A row a layer, a column a token of the text: what is said first, and how likely.
TokenTable lens_table(const LogitLens& lens, const Tokenizer& tokenizer);
/// A row a layer, a column a rank: what is said after one token, the likeliest first.
TokenTable lens_table_after(const LogitLens& lens, const Tokenizer& tokenizer, int64_t token);

}  // namespace heed
