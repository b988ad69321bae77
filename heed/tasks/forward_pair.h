#pragma once

#include <string>
#include <vector>

#include "heed/models/encoder_decoder.h"
#include "heed/tasks/forward.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

/// Error unsupported or invalid_argument for what an encoder-decoder does not give, or nobody.
void check_wanted(const EncoderDecoder& model, const std::vector<std::string>& want);

/// What an encoder-decoder computes on sources (request.ids) and the decoder's ids of each, as
/// arrays under the names that transformers has: input_ids and attention_mask [B, S], where there
/// are decoder ids decoder_input_ids and decoder_attention_mask [B, T] (i64), then what was wanted
/// in that order. encoder_last_hidden_state [B, S, C], encoder_hidden_states [L + 1, B, S, C] and
/// encoder_attentions [L, B, H, S, S] need no decoder ids; last_hidden_state [B, T, C] and logits
/// [B, T, V] (the decoder's), decoder_hidden_states [L + 1, B, T, C], decoder_attentions [L, B, H,
/// T, T] and cross_attentions [L, B, H, T, S] do. Padded places hold 0, on the side that the
/// request says for both. Error invalid_argument for decoder ids of another number of rows, or
/// needed and absent; cancelled between blocks, or steps of a recurrent model.
NamedTensors forward(const EncoderDecoder& model, const ForwardRequest& request,
                     const std::vector<std::vector<int32_t>>& decoder_ids);

}  // namespace heed
