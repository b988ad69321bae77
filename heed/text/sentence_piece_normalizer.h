#pragma once

#include <optional>

#include "heed/text/added_tokens.h"
#include "heed/text/chars_map.h"
#include "heed/text/normalizer.h"

namespace heed {

/// The mark of a word's start in SentencePiece's texts and pieces.
inline constexpr char32_t kWordMark = 0x2581;

struct SentencePieceRules {
  std::optional<CharsMap> map;  // absent: characters stay as they are
  StringSet kept;               // strings that no rule changes: user-defined pieces
  bool dummy_prefix = true;     // a space in front
  bool suffix = false;          // behind instead
  bool remove_extra_spaces = true;
  bool escape_spaces = true;  // spaces become kWordMark
};

/// SentencePiece's normaliser. At each place the longest rule applies; a character comes from where
/// its rule begins up to where the next one's does.
NormalizerPtr sentence_piece_normalizer(SentencePieceRules rules);

}  // namespace heed
