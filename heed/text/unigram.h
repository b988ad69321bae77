#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/model.h"

namespace heed {

/// A string that words can be cut into.
struct UnigramPiece {
  /// A piece with this id stands for the unknown like a character that no piece has.
  static constexpr int32_t kUnknown = -1;

  std::string text;
  double score;  // its log probability
  int32_t id;
};

struct UnigramOptions {
  std::vector<UnigramPiece> pieces;
  double unknown_score = 0;    // of a character that no piece has
  int32_t unknown_id = -1;     // of a run of them; -1: they are left out
  std::vector<int32_t> bytes;  // ids of the bytes that a run becomes where all are there; or empty
  /// As the SentencePiece library where it differs from `tokenizers`: scores are added in single
  /// precision, and each character becomes bytes by itself. Decides about ties.
  bool sentence_piece = false;
  /// A token that begins with it begins a word; 0: words are as given.
  char32_t word_mark = 0;
  /// A run of unknown characters that is a piece of this vocabulary has that piece's id; or null.
  const Vocabulary* unknown_runs = nullptr;
};

/// What the unknown costs, below the rarest piece.
inline constexpr double kUnknownPenalty = 10;

/// Unigram (Kudo 2018, arXiv:1804.10959): of all ways to cut a word into pieces the one with the
/// highest sum of scores, by dynamic programming (docs/math/unigram.md). Runs of unknown characters
/// are one token. O(characters x longest piece); memory for as far as pieces overlap. Error
/// corrupt_data naming `where` for an empty piece or one that is there twice.
std::unique_ptr<const Model> unigram(const UnigramOptions& options, std::string_view where);

}  // namespace heed
