#pragma once

#include <cstdint>
#include <string_view>

#include "heed/text/tokenizer.h"

namespace heed {

// The languages of mBART and mBART-50: tokens such as "en_XX" beside a text. Internal: not
// installed.

/// The language that a tokenizer puts beside a text, and whether it stands before it (mBART-50) or
/// behind (mBART).
struct LanguagePlace {
  int32_t id = 0;
  bool first = false;
};
/// Error unsupported for a tokenizer that puts none there.
LanguagePlace language_place(const Tokenizer& tokenizer);

/// Error invalid_argument, which lists those there are, for what is no language of the tokenizer's.
int32_t language_id(const Tokenizer& tokenizer, std::string_view name);

/// Puts another language beside the text.
void set_language(Encoding& encoding, int32_t id, const Tokenizer& tokenizer);

}  // namespace heed
