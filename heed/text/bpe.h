#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "heed/text/model.h"

namespace heed {

struct BpeOptions {
  std::vector<std::pair<std::string, std::string>> merges;  // best first
  /// Ids of pieces that words are merged into but not cut into: they come apart again as they came
  /// together (SentencePiece's of type UNUSED).
  std::vector<int32_t> unused = {};
  std::optional<std::string> unknown;  // for characters that no piece has; absent: left out
  bool fuse_unknown = false;           // several in a row are one
  std::string continuing_prefix;       // of every piece but a word's first
  std::string word_suffix;             // of a word's last piece
  bool byte_fallback = false;          // pieces <0x00> to <0xFF> before the unknown one
  bool ignore_merges = false;          // a word that is a piece is that piece, whatever the merges
};

/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): starts from characters and merges
/// the neighbours whose pair comes first in the list of merges, leftmost first, until no pair is in
/// it. O(n log n) in a word's length; where no merge crosses the start of a word as SentencePiece
/// marks it (U+2581), a whole text is cut there first, with the same result. `where` names the file
/// in errors. Error corrupt_data for a merge or an unknown token whose piece the vocabulary lacks.
/// Keeps a reference to the vocabulary.
std::unique_ptr<const Model> bpe(const Vocabulary& vocabulary, const BpeOptions& options,
                                 std::string_view where);

}  // namespace heed
