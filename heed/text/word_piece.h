#pragma once

#include <memory>
#include <string>

#include "heed/text/model.h"

namespace heed {

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string continuing_prefix = "##";  // of every piece but a word's first
  int64_t max_chars_per_word = 100;      // a longer word is unknown
};

/// WordPiece (Wu et al. 2016, arXiv:1609.08144; matching as in BERT): from the left, the longest
/// piece that fits; a word with a part that fits nothing is unknown as a whole. `where` names the
/// file in errors. Error corrupt_data if the vocabulary lacks the unknown token. Keeps a reference
/// to the vocabulary.
std::unique_ptr<const Model> word_piece(const Vocabulary& vocabulary,
                                        const WordPieceOptions& options, std::string_view where);

}  // namespace heed
