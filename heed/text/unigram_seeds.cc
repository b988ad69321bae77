#include "heed/text/unigram_seeds.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "heed/base/cancel.h"

namespace heed {
namespace {

/// The rest of a word from some place on.
using Suffix = std::u32string_view;

/// How many characters two suffixes share, the end of a word being one more character.
size_t shared(Suffix a, Suffix b, size_t most) {
  const size_t size = std::min({a.size(), b.size(), most});
  const auto differ =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin());
  const auto count = static_cast<size_t>(differ.first - a.begin());
  return count == a.size() && count == b.size() && count < most ? count + 1 : count;
}

struct Substring {
  Suffix text;
  size_t places;
  size_t weight() const { return text.size() * places; }
};

/// Suffixes in order share their beginnings with their neighbours: a substring with two ways to go
/// on is a run of suffixes that share more than the suffixes around them do.
std::vector<Substring> repeated(const std::vector<Suffix>& sorted, size_t longest) {
  struct Open {
    size_t length;
    size_t first;
  };
  std::vector<Substring> found;
  std::vector<Open> open;
  for (size_t i = 1; i <= sorted.size(); ++i) {
    const size_t length = i < sorted.size() ? shared(sorted[i - 1], sorted[i], longest + 1) : 0;
    size_t first = i - 1;
    while (!open.empty() && open.back().length > length) {
      const auto [ended, begin] = open.back();
      open.pop_back();
      first = begin;
      const bool whole = ended <= sorted[begin].size();  // no word's end in it
      if (ended >= 2 && ended <= longest && whole) {
        found.push_back({sorted[begin].substr(0, ended), i - begin});
      }
    }
    if (length > 0 && (open.empty() || open.back().length < length))
      open.push_back({length, first});
  }
  return found;
}

}  // namespace

std::vector<UnigramSeed> unigram_seeds(const std::vector<WordCount>& words, int64_t longest,
                                       int64_t most) {
  std::map<char32_t, int64_t> counts;
  std::vector<Suffix> suffixes;
  for (const WordCount& word : words) {
    for (size_t i = 0; i < word.word.size(); ++i) {
      counts[word.word[i]] += word.count;
      suffixes.push_back(Suffix(word.word).substr(i));
    }
  }
  std::vector<std::pair<int64_t, char32_t>> chars;
  for (const auto& [c, count] : counts) chars.emplace_back(count, c);
  std::sort(chars.rbegin(), chars.rend());
  std::vector<UnigramSeed> seeds;
  for (const auto& [count, c] : chars) {
    seeds.push_back({std::u32string(1, c), static_cast<double>(count)});
  }
  check_cancelled();
  const auto limit = static_cast<size_t>(longest);
  std::sort(suffixes.begin(), suffixes.end(), [limit](Suffix a, Suffix b) {
    return a.substr(0, limit + 1) < b.substr(0, limit + 1);
  });
  check_cancelled();
  std::vector<Substring> substrings = repeated(suffixes, limit);
  std::sort(substrings.begin(), substrings.end(), [](const Substring& a, const Substring& b) {
    return a.weight() != b.weight() ? a.weight() > b.weight() : a.text > b.text;
  });
  for (const Substring& substring : substrings) {
    if (static_cast<int64_t>(seeds.size()) >= most) break;
    seeds.push_back({std::u32string(substring.text), static_cast<double>(substring.weight())});
  }
  return seeds;
}

}  // namespace heed
