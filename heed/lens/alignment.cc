#include "heed/lens/alignment.h"

#include <algorithm>
#include <string_view>

#include "heed/base/error.h"

namespace heed {
namespace {

bool says_something(const std::string& text, const Encoding& encoding, const Word& word) {
  if (word.special) return false;
  const Span bytes = place_of(text, encoding, word).bytes;
  return bytes.start < bytes.end;
}

}  // namespace

int64_t alignment_layer(int64_t layers) { return std::max<int64_t>(0, layers - 2); }

std::vector<AlignmentLink> align_words(const Look& cross, std::optional<int64_t> layer,
                                       std::optional<int64_t> head) {
  HEED_ASSERT(cross.source.has_value());
  std::vector<bool> linked;
  for (const Word& word : cross.key_words()) {
    linked.push_back(says_something(cross.source->text, cross.key_encoding(), word));
  }
  std::vector<AlignmentLink> links;
  for (size_t word = 0; word < cross.words.size(); ++word) {
    if (!says_something(cross.text, cross.encoding, cross.words[word])) continue;
    const auto target = static_cast<int64_t>(word);
    const std::vector<float> row = cross.row(layer, head, target);
    std::optional<AlignmentLink> best;
    for (size_t to = 0; to < row.size(); ++to) {
      if (!linked[to] || (best && row[to] <= best->weight)) continue;
      best = AlignmentLink{target, static_cast<int64_t>(to), row[to]};
    }
    if (best) links.push_back(*best);
  }
  return links;
}

WordPlace place_of(const std::string& text, const Encoding& encoding, const Word& word) {
  const auto first = static_cast<size_t>(word.pieces.start);
  const auto last = static_cast<size_t>(word.pieces.end) - 1;
  WordPlace place{{encoding.offsets[first].start, encoding.offsets[last].end},
                  {encoding.byte_offsets[first].start, encoding.byte_offsets[last].end}};
  constexpr std::string_view kSpaces = " \t\n\r";
  while (place.bytes.start < place.bytes.end &&
         kSpaces.find(text[static_cast<size_t>(place.bytes.start)]) != std::string_view::npos) {
    ++place.bytes.start;
    ++place.characters.start;
  }
  return place;
}

}  // namespace heed
