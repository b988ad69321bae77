#include "heed/text/grapheme.h"

#include <utf8proc.h>

namespace heed {

size_t grapheme_end(std::u32string_view text, size_t begin) {
  // below the first combining mark only a line feed after a carriage return joins what precedes it
  constexpr char32_t kFirstThatJoins = 0x300;
  utf8proc_int32_t state = 0;
  size_t end = begin + 1;
  for (; end < text.size(); ++end) {
    const char32_t before = text[end - 1];
    const char32_t next = text[end];
    if (before < kFirstThatJoins && next < kFirstThatJoins) {
      if (before != U'\r' || next != U'\n') break;
    } else if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before),
                                                static_cast<utf8proc_int32_t>(next), &state)) {
      break;
    }
  }
  return end;
}

}  // namespace heed
