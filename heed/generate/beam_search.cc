#include "heed/generate/beam_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/base/error.h"

namespace heed {
namespace {

/// A text that still grows by one more token.
struct Candidate {
  int64_t parent = 0;
  int32_t id = 0;
  double score = 0;  // the sum of log-probabilities
};

class Search {
 public:
  Search(Stepper& stepper, const std::vector<int32_t>& prompt, const BeamOptions& options)
      : stepper_(stepper),
        options_(options),
        room_(room_after(stepper, prompt, options.max_new_tokens)),
        rows_{prompt},
        scores_{0},
        prompt_tokens_(std::ssize(prompt)) {}

  std::vector<Written> run() {
    for (length_ = 1; length_ <= room_; ++length_) {
      check_cancelled();
      const std::vector<Candidate> candidates = likeliest();
      end_some(candidates);
      if (length_ == room_ || !go_on(candidates) || !worth_going_on()) break;
    }
    return std::move(ended_);
  }

 private:
  bool ends(const Candidate& candidate) const {
    return std::ranges::find(options_.end_ids, candidate.id) != options_.end_ids.end();
  }

  double penalty(int64_t length) const {
    return std::pow(static_cast<double>(length), options_.length_penalty);
  }

  bool full() const { return std::ssize(ended_) == options_.beams; }

  /// The likeliest continuations, so many that `beams` go on whatever end tokens are among them.
  std::vector<Candidate> likeliest() {
    const Tensor logits = stepper_.next(rows_, parents_);  // [R, V]
    const int64_t vocab = logits.size(1);
    std::vector<Candidate> all;
    all.reserve(static_cast<size_t>(logits.numel()));
    for (int64_t r = 0; r < logits.size(0); ++r) {
      const auto row = logits.select(0, r).span<float>();
      const double whole = log_sum_exp(row);
      if (std::isnan(whole)) pick_token(row, {}, 0);  // tells what is wrong
      const double score = scores_[static_cast<size_t>(r)] - whole;
      for (int64_t id = 0; id < vocab; ++id) {
        all.push_back({r, static_cast<int32_t>(id), score + row[static_cast<size_t>(id)]});
      }
    }
    const auto end_ids = std::max<int64_t>(1, std::ssize(options_.end_ids));
    const int64_t keep = std::min<int64_t>(std::ssize(all), (end_ids + 1) * options_.beams);
    std::ranges::partial_sort(all, all.begin() + keep, [](const Candidate& a, const Candidate& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.parent != b.parent ? a.parent < b.parent : a.id < b.id;
    });
    all.resize(static_cast<size_t>(keep));
    return all;
  }

  /// Those of the first `beams` candidates that end are among the best, if their scores are.
  void end_some(const std::vector<Candidate>& candidates) {
    if (full() && options_.early_stopping == EarlyStopping::on) return;
    const auto most = std::min<size_t>(candidates.size(), static_cast<size_t>(options_.beams));
    for (size_t i = 0; i < most; ++i) {
      const Candidate& one = candidates[i];
      if (!ends(one) && length_ < room_) continue;
      const auto& row = rows_[static_cast<size_t>(one.parent)];
      Written written{.ids = {row.begin() + prompt_tokens_, row.end()},
                      .finish = ends(one) ? Finish::stop : Finish::length,
                      .score = one.score / penalty(length_)};
      written.ids.push_back(one.id);
      ended_.push_back(std::move(written));
    }
    std::ranges::stable_sort(ended_, std::greater<>(), &Written::score);
    if (std::ssize(ended_) > options_.beams) ended_.resize(static_cast<size_t>(options_.beams));
  }

  /// The first `beams` candidates that do not end become the rows; whether there are any.
  bool go_on(const std::vector<Candidate>& candidates) {
    std::vector<std::vector<int32_t>> rows;
    parents_.clear();
    scores_.clear();
    for (const Candidate& one : candidates) {
      if (ends(one) || std::ssize(rows) == options_.beams) continue;
      rows.push_back(rows_[static_cast<size_t>(one.parent)]);
      rows.back().push_back(one.id);
      parents_.push_back(one.parent);
      scores_.push_back(one.score);
    }
    rows_ = std::move(rows);
    return !rows_.empty();
  }

  bool worth_going_on() const {
    if (!full()) return true;
    if (options_.early_stopping == EarlyStopping::on) return false;
    const bool grows =
        options_.early_stopping == EarlyStopping::never && options_.length_penalty > 0;
    return scores_.front() / penalty(grows ? room_ : length_) > ended_.back().score;
  }

  Stepper& stepper_;
  const BeamOptions& options_;
  int64_t room_;
  int64_t length_ = 0;  // of a candidate without the prompt
  std::vector<std::vector<int32_t>> rows_;
  std::vector<int64_t> parents_;
  std::vector<double> scores_;
  int64_t prompt_tokens_;
  std::vector<Written> ended_;  // best first
};

}  // namespace

std::vector<Written> beam_search(Stepper& stepper, const std::vector<int32_t>& prompt,
                                 const BeamOptions& options) {
  if (options.beams < 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: beams must be at least 1 but is {}", options.beams));
  }
  return Search(stepper, prompt, options).run();
}

}  // namespace heed
