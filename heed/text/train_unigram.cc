#include "heed/text/train_unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "heed/base/cancel.h"
#include "heed/text/piece_trie.h"
#include "heed/text/unicode.h"
#include "heed/text/unigram.h"
#include "heed/text/unigram_seeds.h"

namespace heed {
namespace {

struct Piece {
  std::u32string text;
  double score;
};

/// The logarithmic derivative of the gamma function, by its asymptotic series.
double digamma(double x) {
  double result = 0;
  for (; x < 7; ++x) result -= 1 / x;
  x -= 0.5;
  const double xx2 = 1 / (x * x);
  const double xx4 = xx2 * xx2;
  return result + std::log(x) + xx2 / 24 - 7.0 / 960 * xx4 + 31.0 / 8064 * xx4 * xx2 -
         127.0 / 30720 * xx4 * xx4;
}

double log_sum_exp(double a, double b) {
  const auto [low, high] = std::minmax(a, b);
  return high > low + 50 ? high : high + std::log(std::exp(low - high) + 1);
}

/// All ways to cut a word into pieces: its arcs, in order of their begin and then of their end.
class Lattice {
 public:
  /// The piece of an arc for a character that is no piece by itself any more: sentencepiece counts
  /// it for the first piece, which is the most frequent character.
  static constexpr int32_t kUnknown = 0;
  struct Arc {
    uint32_t begin;
    uint32_t end;
    int32_t piece;
    double score;
  };

  void set(std::u32string_view word, const std::vector<Piece>& pieces, const PieceTrie& trie,
           double unknown_score) {
    arcs_.clear();
    size_ = static_cast<uint32_t>(word.size());
    for (uint32_t begin = 0; begin < size_; ++begin) {
      bool has_char = false;
      uint32_t node = PieceTrie::kRoot;
      for (uint32_t i = begin; i < size_; ++i) {
        node = trie.child(node, word[i]);
        if (node == PieceTrie::kRoot) break;
        const int32_t piece = trie.value(node);
        if (piece < 0) continue;
        arcs_.push_back({begin, i + 1, piece, pieces[static_cast<size_t>(piece)].score});
        has_char = has_char || i == begin;
      }
      if (!has_char) arcs_.push_back({begin, begin + 1, kUnknown, unknown_score});
    }
  }

  /// Adds to `expected` how often each piece stands in the word's cuts, weighted by their
  /// likelihood, times `count`: forward and backward sums over the arcs.
  void add_expected(double count, std::vector<double>& expected) {
    sum(
        forward_, 0, arcs_.begin(), arcs_.end(), [](const Arc& arc) { return arc.begin; },
        [](const Arc& arc) { return arc.end; });
    sum(
        backward_, size_, arcs_.rbegin(), arcs_.rend(), [](const Arc& arc) { return arc.end; },
        [](const Arc& arc) { return arc.begin; });
    for (const Arc& arc : arcs_) {
      const double log_share =
          forward_[arc.begin] + arc.score + backward_[arc.end] - forward_[size_];
      expected[static_cast<size_t>(arc.piece)] += count * std::exp(log_share);
    }
  }

  /// The likeliest cut, last piece first; `without_whole` leaves out the word as one piece.
  const std::vector<int32_t>& best(bool without_whole, double& score) {
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    forward_.assign(size_ + 1, kNone);
    forward_[0] = 0;
    via_.assign(size_ + 1, nullptr);
    for (const Arc& arc : arcs_) {
      if (without_whole && arc.begin == 0 && arc.end == size_) continue;
      const double sum = forward_[arc.begin] + arc.score;
      if (via_[arc.end] != nullptr && sum <= forward_[arc.end]) continue;
      forward_[arc.end] = sum;
      via_[arc.end] = &arc;
    }
    score = forward_[size_];
    path_.clear();
    for (uint32_t at = size_; at > 0; at = via_[at]->begin) path_.push_back(via_[at]->piece);
    return path_;
  }

 private:
  template <class Iterator, class From, class To>
  void sum(std::vector<double>& sums, uint32_t start, Iterator first, Iterator last, From from,
           To to) {
    sums.assign(size_ + 1, 0);
    reached_.assign(size_ + 1, false);
    reached_[start] = true;
    for (; first != last; ++first) {
      const double value = sums[from(*first)] + first->score;
      double& target = sums[to(*first)];
      target = reached_[to(*first)] ? log_sum_exp(target, value) : value;
      reached_[to(*first)] = true;
    }
  }

  uint32_t size_ = 0;
  std::vector<Arc> arcs_;
  std::vector<double> forward_;
  std::vector<double> backward_;
  std::vector<bool> reached_;
  std::vector<const Arc*> via_;
  std::vector<int32_t> path_;
};

class Trainer {
 public:
  Trainer(std::vector<WordCount> words, const UnigramTraining& options)
      : options_(options), words_(std::move(words)) {
    std::sort(words_.begin(), words_.end(),
              [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
    double sum = 0;
    for (UnigramSeed& seed : unigram_seeds(words_, options.longest_piece, options.seeds)) {
      sum += seed.weight;
      if (seed.piece.size() == 1) chars_.push_back(seed.piece);
      pieces_.push_back({std::move(seed.piece), seed.weight});
    }
    for (Piece& piece : pieces_) piece.score = std::log(piece.score) - std::log(sum);
    index();
  }

  std::vector<std::pair<std::string, double>> run(const Progress& progress) {
    const auto desired = static_cast<size_t>(options_.vocab * 11 / 10);
    for (;;) {
      for (int i = 0; i < options_.rounds_between; ++i) estimate();
      if (progress) progress(options_.vocab, std::max(options_.vocab, std::ssize(pieces_)));
      const size_t before = pieces_.size();
      if (before <= desired) break;
      prune(desired);
      if (pieces_.size() == before) break;  // nothing is left that could go
    }
    return finish();
  }

 private:
  void index() {
    std::vector<std::pair<std::u32string, int32_t>> strings;
    strings.reserve(pieces_.size());
    least_ = std::numeric_limits<double>::infinity();
    for (const Piece& piece : pieces_) {
      strings.emplace_back(piece.text, static_cast<int32_t>(strings.size()));
      least_ = std::min(least_, piece.score);
    }
    trie_ = PieceTrie(std::move(strings));
  }

  void set(std::u32string_view word) {
    lattice_.set(word, pieces_, trie_, least_ - kUnknownPenalty);
  }

  /// A step of expectation and one of maximisation. digamma instead of the logarithm is a prior for
  /// few pieces (Liang and Klein 2007); pieces that are hardly ever used go.
  void estimate() {
    constexpr double kLeastCount = 0.5;
    std::vector<double> expected(pieces_.size());
    for (const WordCount& word : words_) {
      check_cancelled();
      set(word.word);
      lattice_.add_expected(static_cast<double>(word.count), expected);
    }
    const auto most = std::max_element(expected.begin(), expected.end());
    if (*most < kLeastCount) return;  // a word or two: nothing to go by
    double sum = 0;
    std::vector<Piece> kept;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (expected[i] < kLeastCount) continue;
      sum += expected[i];
      kept.push_back({std::move(pieces_[i].text), digamma(expected[i])});
    }
    for (Piece& piece : kept) piece.score -= digamma(sum);
    pieces_ = std::move(kept);
    index();
  }

  /// How often each piece stands in the likeliest cuts.
  std::vector<double> used() {
    std::vector<double> counts(pieces_.size());
    double score = 0;
    for (const WordCount& word : words_) {
      check_cancelled();
      set(word.word);
      for (const int32_t piece : lattice_.best(false, score)) {
        counts[static_cast<size_t>(piece)] += static_cast<double>(word.count);
      }
    }
    return counts;
  }

  /// Drops the pieces whose loss costs least: what stood for them is then cut into the next best
  /// pieces, by and large.
  void prune(size_t desired) {
    const std::vector<double> counts = used();
    double sum = 0;
    for (const double count : counts) sum += count;
    double total = 0;
    for (const WordCount& word : words_) total += static_cast<double>(word.count);
    std::vector<size_t> kept;
    std::vector<std::pair<double, size_t>> candidates;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (counts[i] == 0) continue;
      if (pieces_[i].text.size() == 1) {
        kept.push_back(i);
        continue;
      }
      double other_score = 0;
      set(pieces_[i].text);
      const std::vector<int32_t>& others = lattice_.best(true, other_score);
      if (other_score > pieces_[i].score) continue;
      candidates.emplace_back(loss(counts, sum, total, i, others), i);
    }
    const auto shrunk =
        static_cast<size_t>(std::floor(static_cast<double>(pieces_.size()) * options_.kept));
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [cost, i] : candidates) {
      if (kept.size() >= std::max(desired, shrunk)) break;
      kept.push_back(i);
    }
    std::vector<Piece> pieces;
    pieces.reserve(kept.size());
    for (const size_t i : kept) pieces.push_back(std::move(pieces_[i]));
    pieces_ = std::move(pieces);
    index();
  }

  /// What the likelihood of a word loses, on average, when `others` replace piece i.
  double loss(const std::vector<double>& counts, double sum, double words, size_t i,
              const std::vector<int32_t>& others) const {
    const double count = counts[i];
    const double log_sum = std::log(sum + count * (static_cast<double>(others.size()) - 1));
    double log_others = 0;
    for (const int32_t piece : others)
      log_others += std::log(counts[static_cast<size_t>(piece)] + count) - log_sum;
    return count / words * (std::log(count) - std::log(sum) - log_others);
  }

  /// All characters, and the likeliest of the other pieces, as many as there is room for.
  std::vector<std::pair<std::string, double>> finish() const {
    constexpr double kStep = 0.0001;  // between the scores of characters that had been dropped
    std::map<std::u32string, double> chars;
    std::vector<std::pair<std::string, double>> out;
    for (const Piece& piece : pieces_) {
      if (piece.text.size() > 1) {
        out.emplace_back(to_utf8(piece.text), piece.score);
      } else {
        chars.emplace(piece.text, piece.score);
      }
    }
    double above = 0;
    for (const std::u32string& c : chars_) {
      const auto added = chars.emplace(c, least_ + above);
      if (added.second) above += kStep;
    }
    sort_by_score(out);
    const int64_t room = options_.vocab - options_.special - std::ssize(chars);
    out.resize(std::min(out.size(), static_cast<size_t>(std::max<int64_t>(0, room))));
    for (const auto& [c, score] : chars) out.emplace_back(to_utf8(c), score);
    sort_by_score(out);
    return out;
  }

  static void sort_by_score(std::vector<std::pair<std::string, double>>& pieces) {
    std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
  }

  const UnigramTraining& options_;
  std::vector<WordCount> words_;
  std::vector<std::u32string> chars_;  // the most frequent first
  std::vector<Piece> pieces_;
  PieceTrie trie_;
  double least_ = 0;
  Lattice lattice_;
};

}  // namespace

std::vector<std::pair<std::string, double>> train_unigram(std::vector<WordCount> words,
                                                          const UnigramTraining& options,
                                                          const Progress& progress) {
  return Trainer(std::move(words), options).run(progress);
}

}  // namespace heed
