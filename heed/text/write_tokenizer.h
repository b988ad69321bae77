#pragma once

#include <string>

#include "heed/io/json.h"
#include "heed/text/train_bpe.h"
#include "heed/text/train_tokenizer.h"

namespace heed {

/// Of the pieces that continue a word in a trained WordPiece.
inline constexpr const char* kContinuingPrefix = "##";

/// normalizer, pre_tokenizer and decoder of a trained tokenizer.
OrderedJson trained_parts(const TokenizerTraining& options);

/// The tokenizer.json of what was learned; special (and for wordpiece and unigram unknown) must be
/// set.
std::string write_tokenizer(const TokenizerTraining& options, const LearnedPieces& learned);

}  // namespace heed
