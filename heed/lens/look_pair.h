#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "heed/lens/look.h"
#include "heed/models/encoder_decoder.h"

namespace heed {

/// Which attention of an encoder-decoder is looked at: the source's words at each other, the
/// target's at those before them, or the target's at the source's.
enum class PairAttention { encoder, decoder, cross };
/// Error invalid_argument lists the names.
PairAttention pair_attention_from_name(std::string_view name);
/// The stack's layers and heads, as encoders have them.
EncoderFacts pair_facts(const EncoderDecoderFacts& facts, PairAttention which);

/// A source and what is, or was, made of it. Words end at signs (goes_on()), on both sides alike.
struct PairText {
  ReadText source;
  ReadText target;          // with its end token, if it has one
  int32_t start = 0;        // decoder_start_token_id
  std::string start_token;  // its piece
};

struct PairWords {
  bool pieces = false;       // words are the vocabulary's pieces, not grouped
  int64_t prefix_bytes = 0;  // of a source: what its first so many bytes say is not asked about
};
/// encoding: of the text, as the encoder reads it.
ReadText read_source(Encoding encoding, std::string_view text, const PairWords& how = {});
/// ids that were written; offsets are in what they say without special tokens. Error
/// invalid_argument for a negative id.
ReadText read_target(const std::shared_ptr<const Tokenizer>& tokenizer,
                     std::span<const int32_t> ids, const PairWords& how = {});

/// Reads both with the model and keeps where it looked. Of cross-attention row t is of the step
/// that writes target token t: the decoder has read the tokens before it. Of the decoder's own, the
/// text is what it reads: start and the target but its last token, and row t is again of the step
/// that writes target token t. Errors as look(); invalid_argument for an empty target; unsupported
/// for a model that does not tell where it looks.
Look look_pair(const EncoderDecoder& model, const PairText& text, PairAttention which,
               const LookOptions& options = {});
/// The text of that look, before the model has run.
Look read_pair(const PairText& text, PairAttention which, bool pieces = false);

}  // namespace heed
