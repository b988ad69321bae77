#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "heed/base/progress.h"
#include "heed/models/encoder.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

enum class PadSide { left, right };

/// An array that stands on the last hidden state: a head's, under transformers' name.
struct HeadOutput {
  std::string name;
  bool per_token;                                // [b, T, N], or [b, T]; else [b, N]
  std::function<Tensor(const Tensor&)> compute;  // from [b, T, C]
};

struct EncoderWithHeads;
/// What its heads give: logits; start_logits and end_logits [B, T] of question answering;
/// prediction_logits with seq_relationship_logits (ALBERT: sop_logits) of ...ForPreTraining.
/// Rows of multiple choice are the choices, so that their logits are [B, 1].
std::vector<HeadOutput> head_outputs(const EncoderWithHeads& model);

/// What a model computes on rows of token ids, as arrays under the names that transformers has.
struct ForwardRequest {
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::vector<int32_t>> type_ids;  // as ids, or empty: 0
  /// last_hidden_state, hidden_states, attentions, pooler_output; logits of causal models; what
  /// the heads give.
  std::vector<std::string> want{"last_hidden_state"};
  PadSide pad_side = PadSide::right;
  int32_t pad_id = 0;
  int64_t batch = 32;  // rows computed at once; no value depends on it
  Progress progress;   // in rows
};

/// What a model with this architecture cannot give, or nobody can: Error unsupported (a decoder's
/// outputs, a head's) or invalid_argument (an unknown name).
void check_wanted(const Encoder& encoder, const std::vector<std::string>& want,
                  const std::vector<HeadOutput>& heads = {});

/// input_ids and attention_mask [B, T] (i64), then what was wanted in that order:
/// last_hidden_state [B, T, C], hidden_states [L + 1, B, T, C], attentions [L, B, H, T, T],
/// pooler_output [B, C], logits [B, T, V], heads' outputs. T is the longest row; padded places hold
/// 0. The side of the padding moves values and changes none. Error cancelled between blocks.
NamedTensors forward(const Encoder& encoder, const ForwardRequest& request,
                     const std::vector<HeadOutput>& heads = {});

}  // namespace heed
