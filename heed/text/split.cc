#include "heed/text/split.h"

#include <algorithm>

namespace heed {
namespace {

// Joins matches with their neighbours in reading order (or in reverse, for merged_with_next).
template <class Iterator>
std::vector<Match> joined(Iterator first, Iterator last, bool contiguous) {
  std::vector<Match> out;
  bool before = false;  // whether the neighbour before was a match
  for (; first != last; ++first) {
    const bool joins = contiguous ? first->is_match == before : first->is_match && !before;
    if (joins && !out.empty()) {
      out.back().begin = std::min(out.back().begin, first->begin);
      out.back().end = std::max(out.back().end, first->end);
    } else {
      out.push_back(*first);
    }
    before = first->is_match;
  }
  return out;
}

}  // namespace

void append_words(std::vector<Match> matches, SplitBehavior behavior, std::vector<Piece>& out) {
  switch (behavior) {
    case SplitBehavior::removed:
      std::erase_if(matches, [](const Match& match) { return match.is_match; });
      break;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::merged_with_previous:
      matches = joined(matches.begin(), matches.end(), false);
      break;
    case SplitBehavior::contiguous:
      matches = joined(matches.begin(), matches.end(), true);
      break;
    case SplitBehavior::merged_with_next:
      matches = joined(matches.rbegin(), matches.rend(), false);
      std::reverse(matches.begin(), matches.end());
      break;
  }
  for (const Match& match : matches) {
    if (match.begin < match.end) out.push_back({match.begin, match.end});
  }
}

}  // namespace heed
