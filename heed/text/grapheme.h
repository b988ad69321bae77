#pragma once

#include <cstddef>
#include <string_view>

namespace heed {

/// Where the extended grapheme cluster (UAX #29: what a reader takes for one character) that begins
/// at text[begin] ends. begin must be in the text and the start of a cluster.
size_t grapheme_end(std::u32string_view text, size_t begin);

}  // namespace heed
