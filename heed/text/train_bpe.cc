#include "heed/text/train_bpe.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "heed/base/cancel.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// Two neighbouring ids, ordered by the left one, then by the right one.
using Pair = uint64_t;
Pair pair_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}
int32_t left_of(Pair pair) { return static_cast<int32_t>(pair >> 32); }
int32_t right_of(Pair pair) { return static_cast<int32_t>(pair & 0xFFFFFFFF); }

/// A pair that waits to be merged in some words. The library keeps one entry for each time a pair
/// came up and merges it in that entry's words alone, so two entries of one pair stay apart here.
struct Candidate {
  Pair pair;
  int64_t count;
  int64_t number;               // in order of coming up
  std::vector<uint32_t> words;  // ascending
};

/// Whether a is merged after b.
bool later(const Candidate& a, const Candidate& b) {
  if (a.count != b.count) return a.count < b.count;
  if (a.pair != b.pair) return a.pair > b.pair;
  return a.number > b.number;
}

struct Word {
  std::vector<int32_t> ids;
  int64_t count;
};

class Trainer {
 public:
  Trainer(const std::vector<WordCount>& words, const BpeTraining& options) : options_(options) {
    for (const std::string& token : options.special) id_of(token);
    add_alphabet(words);
    for (const WordCount& word : words) words_.push_back({ids_of(word.word), word.count});
    for (uint32_t i = 0; i < words_.size(); ++i) {
      const std::vector<int32_t>& ids = words_[i].ids;
      for (size_t at = 0; at + 1 < ids.size(); ++at) {
        change(pair_of(ids[at], ids[at + 1]), words_[i].count, i);
      }
    }
    offer_changed();
  }

  LearnedPieces run(const Progress& progress) {
    while (static_cast<int64_t>(out_.pieces.size()) < options_.vocab && !queue_.empty()) {
      check_cancelled();
      Candidate top = pop();
      const int64_t count = counts_.at(top.pair);
      if (top.count != count) {  // merges since then have taken some of it
        top.count = count;
        push(std::move(top));
        continue;
      }
      if (count < std::max<int64_t>(1, options_.min_frequency)) break;
      merge(top);
      if (progress) progress(static_cast<int64_t>(out_.pieces.size()), options_.vocab);
    }
    drop_repeated_merges();
    return std::move(out_);
  }

 private:
  int32_t id_of(const std::string& piece) {
    const auto [at, fresh] = ids_.emplace(piece, static_cast<int32_t>(out_.pieces.size()));
    if (fresh) out_.pieces.push_back(piece);
    return at->second;
  }

  void add_alphabet(const std::vector<WordCount>& words) {
    std::set<char32_t> all(options_.alphabet.begin(), options_.alphabet.end());
    std::set<char32_t> continuing;
    for (const WordCount& word : words) {
      all.insert(word.word.begin(), word.word.end());
      continuing.insert(word.word.begin() + 1, word.word.end());
    }
    for (const char32_t c : all) first_ids_[c] = id_of(to_utf8({&c, 1}));
    for (const char32_t c : continuing) {
      continuing_ids_[c] = id_of(options_.continuing_prefix + to_utf8({&c, 1}));
    }
  }

  std::vector<int32_t> ids_of(std::u32string_view word) const {
    std::vector<int32_t> ids;
    ids.reserve(word.size());
    for (const char32_t c : word) {
      ids.push_back((ids.empty() ? first_ids_ : continuing_ids_).at(c));
    }
    return ids;
  }

  void push(Candidate candidate) {
    queue_.push_back(std::move(candidate));
    std::push_heap(queue_.begin(), queue_.end(), later);
  }
  Candidate pop() {
    std::pop_heap(queue_.begin(), queue_.end(), later);
    Candidate top = std::move(queue_.back());
    queue_.pop_back();
    return top;
  }

  /// Counts a pair that came (by > 0) or went in a word; words come in ascending order.
  void change(Pair pair, int64_t by, uint32_t word) {
    counts_[pair] += by;
    if (by <= 0) return;
    const auto [at, fresh] = changed_at_.emplace(pair, changed_.size());
    if (fresh) changed_.push_back({pair, 0, 0, {}});
    std::vector<uint32_t>& in = changed_[at->second].words;
    if (in.empty() || in.back() != word) in.push_back(word);
  }

  void offer_changed() {
    for (Candidate& candidate : changed_) {
      candidate.count = counts_.at(candidate.pair);
      candidate.number = offered_++;
      if (candidate.count > 0) push(std::move(candidate));
    }
    changed_.clear();
    changed_at_.clear();
  }

  void merge(const Candidate& top) {
    const std::string& left = out_.pieces[static_cast<size_t>(left_of(top.pair))];
    std::string_view right = out_.pieces[static_cast<size_t>(right_of(top.pair))];
    if (right.starts_with(options_.continuing_prefix)) {
      right.remove_prefix(options_.continuing_prefix.size());
    }
    const int32_t id = id_of(left + std::string(right));
    out_.merges.emplace_back(left_of(top.pair), right_of(top.pair));
    for (const uint32_t word : top.words) merge_in(word, top.pair, id);
    offer_changed();
  }

  void merge_in(uint32_t index, Pair pair, int32_t id) {
    Word& word = words_[index];
    std::vector<int32_t>& ids = word.ids;
    const int32_t left = left_of(pair);
    const int32_t right = right_of(pair);
    size_t kept = 0;
    for (size_t at = 0; at < ids.size(); ++at, ++kept) {
      if (ids[at] != left || at + 1 == ids.size() || ids[at + 1] != right) {
        ids[kept] = ids[at];
        continue;
      }
      if (kept > 0) {
        change(pair_of(ids[kept - 1], left), -word.count, index);
        change(pair_of(ids[kept - 1], id), word.count, index);
      }
      ++at;
      ids[kept] = id;
      if (at + 1 < ids.size()) {
        change(pair_of(right, ids[at + 1]), -word.count, index);
        change(pair_of(id, ids[at + 1]), word.count, index);
      }
    }
    ids.resize(kept);
  }

  /// A pair that two entries merged counts where it was merged last, as in the library.
  void drop_repeated_merges() {
    std::map<std::pair<int32_t, int32_t>, size_t> last;
    for (size_t i = 0; i < out_.merges.size(); ++i) last[out_.merges[i]] = i;
    if (last.size() == out_.merges.size()) return;
    std::vector<std::pair<int32_t, int32_t>> kept;
    for (size_t i = 0; i < out_.merges.size(); ++i) {
      if (last[out_.merges[i]] == i) kept.push_back(out_.merges[i]);
    }
    out_.merges = std::move(kept);
  }

  const BpeTraining& options_;
  LearnedPieces out_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<char32_t, int32_t> first_ids_;
  std::unordered_map<char32_t, int32_t> continuing_ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, int64_t> counts_;
  std::vector<Candidate> changed_;  // since the last offer_changed()
  std::unordered_map<Pair, size_t> changed_at_;
  std::vector<Candidate> queue_;  // a heap
  int64_t offered_ = 0;
};

}  // namespace

LearnedPieces train_bpe(const std::vector<WordCount>& words, const BpeTraining& options,
                        const Progress& progress) {
  return Trainer(words, options).run(progress);
}

}  // namespace heed
