#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "heed/text/train_bpe.h"
#include "heed/text/train_tokenizer.h"

namespace heed {

/// Members in the order in which the library writes them.
using OrderedJson = nlohmann::ordered_json;

/// Of the pieces that continue a word in a trained WordPiece.
inline constexpr const char* kContinuingPrefix = "##";

/// normalizer, pre_tokenizer and decoder of a trained tokenizer.
OrderedJson trained_parts(const TokenizerTraining& options);

/// The tokenizer.json of what was learned; special (and for wordpiece unknown) must be set.
std::string write_tokenizer(const TokenizerTraining& options, const BpePieces& learned);

}  // namespace heed
