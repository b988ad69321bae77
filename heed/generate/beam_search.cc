#include "heed/generate/beam_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/generate/ranking.h"

namespace heed {
namespace {

/// A text that grows.
struct Beam {
  std::vector<int32_t> ids;  // with the prompt
  double score = 0;          // the sum of its log-probabilities after rules
  Written written;           // its new tokens, and what the model said of them
};

/// A beam with one more token.
struct Candidate {
  int64_t parent = 0;
  int32_t id = 0;
  double score = 0;
  bool ends = false;
};

class Search {
 public:
  Search(Stepper& stepper, const std::vector<int32_t>& prompt, const BeamOptions& options)
      : stepper_(stepper),
        options_(options),
        room_(room_after(stepper, prompt, options.max_new_tokens, options.max_length)),
        beams_{{.ids = prompt, .score = 0, .written = {}}},
        prompt_tokens_(std::ssize(prompt)) {
    check_rules(options.rules);
  }

  std::vector<Written> run() {
    for (length_ = 1; length_ <= room_; ++length_) {
      check_cancelled();
      std::vector<std::vector<int32_t>> rows;
      for (const Beam& beam : beams_) rows.push_back(beam.ids);
      logits_ = stepper_.next(rows, parents_);
      const std::vector<Candidate> candidates = likeliest();
      end_some(candidates);
      if (length_ == room_ || !go_on(candidates) || !worth_going_on()) break;
    }
    return std::move(ended_);
  }

 private:
  double penalty(int64_t length) const {
    return std::pow(static_cast<double>(length), options_.length_penalty);
  }

  bool full() const { return std::ssize(ended_) == options_.beams; }

  /// A row's log-probabilities as the rules change them.
  std::vector<float> scores_of(const Beam& beam, const Tensor& logits, double whole) const {
    std::vector<float> scores;
    scores.reserve(static_cast<size_t>(logits.numel()));
    for (const float logit : logits.span<const float>()) {
      scores.push_back(static_cast<float>(logit - whole));
    }
    apply_rules(scores,
                {.ids = beam.ids,
                 .source = options_.source.empty()
                               ? std::span(beam.ids).first(static_cast<size_t>(prompt_tokens_))
                               : std::span(options_.source),
                 .prompt_tokens = prompt_tokens_,
                 .most_tokens = prompt_tokens_ + room_,
                 .end_ids = options_.end_ids},
                options_.rules);
    return scores;
  }

  /// The likeliest continuations, so many that `beams` go on whatever end tokens are among them.
  std::vector<Candidate> likeliest() {
    const auto end_ids = std::max<int64_t>(1, std::ssize(options_.end_ids));
    const auto keep = static_cast<size_t>((end_ids + 1) * options_.beams);
    std::vector<Candidate> all;
    wholes_.clear();
    for (int64_t r = 0; r < std::ssize(beams_); ++r) {
      const Tensor logits = logits_.select(0, r);  // [V]
      wholes_.push_back(checked_log_sum_exp(logits));
      const Beam& beam = beams_[static_cast<size_t>(r)];
      const std::vector<float> scores = scores_of(beam, logits, wholes_.back());
      Ranking ranking(scores);
      for (size_t place = 0; place < std::min(keep, ranking.size()); ++place) {
        all.push_back({r, ranking.id(place), beam.score + ranking.score(place)});
      }
    }
    std::ranges::sort(all, [](const Candidate& a, const Candidate& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.parent != b.parent ? a.parent < b.parent : a.id < b.id;
    });
    if (all.size() > keep) all.resize(keep);
    if (all.empty() && ended_.empty()) refuse_nothing_left();
    for (Candidate& one : all) one.ends = ends(one);
    return all;
  }

  bool ends(const Candidate& candidate) const {
    const auto& end_ids = options_.end_ids;
    if (std::ranges::find(end_ids, candidate.id) != end_ids.end()) return true;
    if (!options_.stops) return false;
    std::vector<int32_t> ids = beams_[static_cast<size_t>(candidate.parent)].written.ids;
    ids.push_back(candidate.id);
    return options_.stops(ids);
  }

  Written grown(const Candidate& candidate) const {
    const Tensor logits = logits_.select(0, candidate.parent);
    const double whole = wholes_[static_cast<size_t>(candidate.parent)];
    Written written = beams_[static_cast<size_t>(candidate.parent)].written;
    written.ids.push_back(candidate.id);
    written.logprobs.push_back(static_cast<float>(logits.at({candidate.id}) - whole));
    if (options_.likeliest > 0) {
      written.likeliest.push_back(likeliest_tokens(logits, whole, options_.likeliest));
    }
    return written;
  }

  /// Those of the first `beams` candidates that end are among the best, if their scores are.
  void end_some(const std::vector<Candidate>& candidates) {
    if (full() && options_.early_stopping == EarlyStopping::on) return;
    const auto most = std::min<size_t>(candidates.size(), static_cast<size_t>(options_.beams));
    for (size_t i = 0; i < most; ++i) {
      const Candidate& one = candidates[i];
      if (!one.ends && length_ < room_) continue;
      ended_.push_back(grown(one));
      ended_.back().finish = one.ends ? Finish::stop : Finish::length;
      ended_.back().score = one.score / penalty(length_);
    }
    std::ranges::stable_sort(ended_, std::greater<>(), &Written::score);
    if (std::ssize(ended_) > options_.beams) ended_.resize(static_cast<size_t>(options_.beams));
  }

  /// The first `beams` candidates that do not end become the beams; whether there are any.
  bool go_on(const std::vector<Candidate>& candidates) {
    std::vector<Beam> beams;
    parents_.clear();
    for (const Candidate& one : candidates) {
      if (one.ends || std::ssize(beams) == options_.beams) continue;
      Beam& beam = beams.emplace_back(
          Beam{beams_[static_cast<size_t>(one.parent)].ids, one.score, grown(one)});
      beam.ids.push_back(one.id);
      parents_.push_back(one.parent);
    }
    beams_ = std::move(beams);
    return !beams_.empty();
  }

  bool worth_going_on() const {
    if (!full()) return true;
    if (options_.early_stopping == EarlyStopping::on) return false;
    const bool grows =
        options_.early_stopping == EarlyStopping::never && options_.length_penalty > 0;
    return beams_.front().score / penalty(grows ? room_ : length_) > ended_.back().score;
  }

  Stepper& stepper_;
  const BeamOptions& options_;
  int64_t room_;
  int64_t length_ = 0;  // of a candidate without the prompt
  std::vector<Beam> beams_;
  std::vector<int64_t> parents_;
  int64_t prompt_tokens_;
  Tensor logits_;               // [beams, V] of this step
  std::vector<double> wholes_;  // their log_sum_exp
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
