#pragma once

#include <cstdint>
#include <string_view>

#include "heed/text/tokenizer.h"

namespace heed {

// The languages of mBART and mBART-50: tokens such as "en_XX" beside a text. Internal: not
// installed.

/// Whether the language that a tokenizer puts beside a text stands before it (mBART-50), else
/// behind (mBART). Error unsupported for a tokenizer that puts none there.
bool language_leads(const Tokenizer& tokenizer);

/// Error invalid_argument, which lists those there are, for what is no language of the tokenizer's.
int32_t language_id(const Tokenizer& tokenizer, std::string_view name);

/// Puts another language beside the text.
void set_language(Encoding& encoding, int32_t id, const Tokenizer& tokenizer);

}  // namespace heed
