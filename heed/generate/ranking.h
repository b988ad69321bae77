#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace heed {

/// Tokens from the largest score on, of equal ones the lower id first; those at -inf are no tokens
/// of it. A vocabulary is never put in order as a whole where its first places are all that is
/// asked for. Internal: not installed.
class Ranking {
 public:
  /// The scores must outlive it.
  explicit Ranking(std::span<const float> scores) : scores_(scores) {
    ids_.reserve(scores.size());
    for (size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] != -INFINITY) ids_.push_back(static_cast<int32_t>(i));
    }
  }

  size_t size() const { return ids_.size(); }
  int32_t id(size_t place) {
    while (place >= sorted_) sort_more(place + 1);
    return ids_[place];
  }
  float score(size_t place) { return scores_[static_cast<size_t>(id(place))]; }
  /// Tokens in no order but the places that were asked for.
  std::span<const int32_t> ids() const { return ids_; }
  float score_of(int32_t id) const { return scores_[static_cast<size_t>(id)]; }

  /// The first `size` places are all that is left.
  void cut(size_t size) {
    if (size >= ids_.size()) return;
    if (size > 0) id(size - 1);
    ids_.resize(size);
    sorted_ = std::min(sorted_, size);
  }
  /// Those that `keep` says true of are all that is left.
  template <class Keep>
  void keep_if(const Keep& keep) {
    for (size_t place = 0; place < size(); ++place) id(place);
    std::erase_if(ids_, [&](int32_t id) { return !keep(id); });
    sorted_ = ids_.size();
  }

 private:
  static constexpr size_t kFirst = 64;

  void sort_more(size_t least) {
    const auto before = [this](int32_t a, int32_t b) {
      return score_of(a) != score_of(b) ? score_of(a) > score_of(b) : a < b;
    };
    const size_t end = std::min(ids_.size(), std::max({least, kFirst, 4 * sorted_}));
    const auto at = [this](size_t place) { return ids_.begin() + static_cast<int64_t>(place); };
    if (end < ids_.size()) std::nth_element(at(sorted_), at(end), ids_.end(), before);
    std::sort(at(sorted_), at(end), before);
    sorted_ = end;
  }

  std::span<const float> scores_;
  std::vector<int32_t> ids_;
  size_t sorted_ = 0;  // so many places are in order
};

/// The ids of the `count` largest scores as Ranking has them, in one pass over the scores; fewer
/// where there are fewer tokens.
std::vector<int32_t> likeliest_ids(std::span<const float> scores, size_t count);

/// Throws what is to be said where rules leave no token.
[[noreturn]] void refuse_nothing_left();

}  // namespace heed
