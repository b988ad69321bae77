#pragma once

#include <vector>

#include "heed/text/added_tokens.h"
#include "heed/text/decoder.h"
#include "heed/text/json_fields.h"
#include "heed/text/normalizer.h"
#include "heed/text/post_processor.h"
#include "heed/text/pre_tokenizer.h"

namespace heed {

struct TokenizerParts;

// Fields of a tokenizer.json as the part they describe. Error corrupt_data / unsupported naming the
// field.
NormalizerPtr read_normalizer(const JsonField& json);
PreTokenizerPtr read_pre_tokenizer(const JsonField& json);
Template read_post_processor(const JsonField& json);
DecoderPtr read_decoder(const JsonField& json);
std::vector<AddedToken> read_added_tokens(const JsonField& json);
/// All of a file's parts but its model and vocabulary.
void read_around_model(const JsonField& json, TokenizerParts& parts);

}  // namespace heed
