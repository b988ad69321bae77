#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "heed/text/model.h"

namespace heed {

/// SentencePiece's models of words: a text is cut before every kWordMark, and what lies between is
/// a piece of `ids` or unknown; unknown ones in a row are one token, shown as their text.
std::unique_ptr<const Model> marked_words(std::map<std::u32string, int32_t, std::less<>> ids,
                                          int32_t unknown);

}  // namespace heed
