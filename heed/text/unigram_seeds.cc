#include "heed/text/unigram_seeds.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "heed/base/cancel.h"
#include "heed/text/sentence_piece_normalizer.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// The rest of a word from some place on, and how often the texts have that place.
struct Suffix {
  std::u32string_view text;
  bool last;  // the text ends with it; else another word follows
  int64_t places;
};

/// How many characters two suffixes share, what follows a word being one more character.
size_t shared(const Suffix& a, const Suffix& b, size_t most) {
  const size_t size = std::min({a.text.size(), b.text.size(), most});
  const auto differ = std::mismatch(
      a.text.begin(), a.text.begin() + static_cast<std::ptrdiff_t>(size), b.text.begin());
  const auto count = static_cast<size_t>(differ.first - a.text.begin());
  const bool same = count == a.text.size() && count == b.text.size() && a.last == b.last;
  return same && count < most ? count + 1 : count;
}

std::vector<Suffix> sorted_suffixes(const std::vector<WordCount>& words, size_t most) {
  std::vector<Suffix> suffixes;
  for (const WordCount& word : words) {
    for (const bool last : {false, true}) {
      const int64_t places = last ? word.last : word.count - word.last;
      if (places == 0) continue;
      for (size_t i = 0; i < word.word.size(); ++i) {
        suffixes.push_back({std::u32string_view(word.word).substr(i), last, places});
      }
    }
  }
  check_cancelled();
  std::sort(suffixes.begin(), suffixes.end(), [most](const Suffix& a, const Suffix& b) {
    return std::pair(a.text.substr(0, most), a.last) < std::pair(b.text.substr(0, most), b.last);
  });
  check_cancelled();
  return suffixes;
}

/// As sentencepiece has it: marks and the space before a word go with any script, kana are Han.
bool of_one_script(std::u32string_view text) {
  static const int common = script_of(U'!');
  static const int inherited = script_of(U'\u0301');
  int before = kNoScript;
  for (const char32_t c : text) {
    if (c == kWordMark) continue;
    int script = script_of(c);
    if (script == inherited) continue;
    if (script == kNoScript) script = common;
    if (before != kNoScript && script != before) return false;
    before = script;
  }
  return true;
}

struct Substring {
  std::u32string_view text;
  int64_t places;
  int64_t weight() const { return static_cast<int64_t>(text.size()) * places; }
};

/// Suffixes in order share their beginnings with their neighbours: a substring with two ways to go
/// on is a run of suffixes that share more than the suffixes around them do.
std::vector<Substring> repeated(const std::vector<Suffix>& sorted, size_t longest) {
  struct Open {
    size_t length;
    size_t first;
    int64_t places_before;
  };
  std::vector<Substring> found;
  std::vector<Open> open;
  int64_t places = 0;  // of all suffixes before i
  for (size_t i = 1; i <= sorted.size(); ++i) {
    const size_t length = i < sorted.size() ? shared(sorted[i - 1], sorted[i], longest + 1) : 0;
    Open next{length, i - 1, places};
    places += sorted[i - 1].places;
    while (!open.empty() && open.back().length > length) {
      const Open ended = open.back();
      open.pop_back();
      next = {length, ended.first, ended.places_before};
      const std::u32string_view text = sorted[ended.first].text;
      const bool whole = ended.length <= text.size();  // nothing of what follows a word in it
      if (ended.length < 2 || ended.length > longest || !whole) continue;
      const auto piece = text.substr(0, ended.length);
      if (of_one_script(piece)) found.push_back({piece, places - ended.places_before});
    }
    if (length > 0 && (open.empty() || open.back().length < length)) open.push_back(next);
  }
  return found;
}

}  // namespace

std::vector<UnigramSeed> unigram_seeds(const std::vector<WordCount>& words, int64_t longest,
                                       int64_t most) {
  std::map<char32_t, int64_t> counts;
  for (const WordCount& word : words) {
    for (const char32_t c : word.word) counts[c] += word.count;
  }
  std::vector<std::pair<char32_t, int64_t>> chars(counts.begin(), counts.end());
  std::stable_sort(chars.begin(), chars.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<UnigramSeed> seeds;
  for (const auto& [c, count] : chars) {
    seeds.push_back({std::u32string(1, c), static_cast<double>(count)});
  }
  const auto limit = static_cast<size_t>(longest);
  std::vector<Substring> substrings = repeated(sorted_suffixes(words, limit + 1), limit);
  std::stable_sort(substrings.begin(), substrings.end(),
                   [](const auto& a, const auto& b) { return a.weight() > b.weight(); });
  if (std::ssize(substrings) > most) substrings.resize(static_cast<size_t>(most));
  for (const Substring& substring : substrings) {
    seeds.push_back({std::u32string(substring.text), static_cast<double>(substring.weight())});
  }
  return seeds;
}

}  // namespace heed
