#pragma once

#include <memory>
#include <string>

#include "heed/text/model.h"

namespace heed {

/// A word is a piece or unknown. Where the vocabulary lacks the unknown token too, the word is left
/// out. Keeps a reference to the vocabulary.
std::unique_ptr<const Model> word_level(const Vocabulary& vocabulary, const std::string& unknown);

}  // namespace heed
