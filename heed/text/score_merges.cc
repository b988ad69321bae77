#include "heed/text/score_merges.h"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_set>

namespace heed {

std::vector<std::pair<std::string, std::string>> merges_of_scores(
    const std::vector<ScoredPiece>& pieces) {
  struct Merge {
    std::string_view left, right;
    double score;
  };
  std::unordered_set<std::string_view> known;  // a special piece is no part: it is not its text
  std::set<size_t> lengths;                    // of those, few however long they are
  for (const ScoredPiece& piece : pieces) {
    if (!piece.merged) continue;
    known.insert(piece.text);
    lengths.insert(piece.text.size());
  }
  std::vector<Merge> merges;
  for (const ScoredPiece& piece : pieces) {
    if (!piece.merged) continue;
    for (const size_t cut : lengths) {
      if (cut >= piece.text.size()) break;
      if (!lengths.contains(piece.text.size() - cut)) continue;
      // in a character
      if ((static_cast<unsigned char>(piece.text[cut]) & 0xC0) == 0x80) continue;
      const std::string_view left = piece.text.substr(0, cut);
      const std::string_view right = piece.text.substr(cut);
      if (known.contains(left) && known.contains(right)) {
        merges.push_back({left, right, piece.score});
      }
    }
  }
  std::ranges::stable_sort(merges, std::ranges::greater{}, &Merge::score);
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(merges.size());
  for (const Merge& merge : merges) {
    out.emplace_back(std::string(merge.left), std::string(merge.right));
  }
  return out;
}

}  // namespace heed
