#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heed {

/// A piece of SentencePiece's byte-pair encoding.
struct ScoredPiece {
  std::string_view text;  // UTF-8
  double score;
  bool merged = true;  // out of others, and with others; false for special pieces and bytes
};

/// The merges, best first, that do what SentencePiece does: join the neighbours whose joint piece
/// has the highest score. Equal ones, of which the leftmost wins there, stand in the order of the
/// shorter left part.
std::vector<std::pair<std::string, std::string>> merges_of_scores(
    const std::vector<ScoredPiece>& pieces);

}  // namespace heed
