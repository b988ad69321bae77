#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "heed/text/tokenizer.h"

namespace heed {

/// Characters that no token stands for: byte-pair encoding whose vocabulary lacks them, without a
/// token for the unknown, leaves them out.
struct LostText {
  int64_t count = 0;
  std::string first;  // a character
  size_t at = 0;      // its first byte in the text

  /// Goes on with what a later text, whose first byte is `offset` in a whole, has lost.
  void add(const LostText& later, size_t offset = 0);
};

/// Those of a text that was encoded so. What truncation cut is not lost, nor is white space where a
/// tokenizer cuts texts into words.
LostText lost_text(std::string_view text, const Encoding& encoding, const Tokenizer& tokenizer);

/// A warning with their number, the first of them and its line; nothing if there is none.
void warn_of(const LostText& lost, const std::string& where, int64_t line);

}  // namespace heed
