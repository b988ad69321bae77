#include "heed/generate/beam_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/generate/ranking.h"

namespace heed {
namespace {

/// A text that grows.
struct Beam {
  std::vector<int32_t> ids;            // with the prompt
  double score = 0;                    // the sum of its log-probabilities after rules
  Written written;                     // its new tokens, and what the model said of them
  std::function<bool(int32_t)> stops;  // BeamOptions::stops, which took these
};

/// A beam with one more token.
struct Candidate {
  int64_t parent = 0;
  int32_t id = 0;
  double score = 0;
  double key = 0;  // what it is ranked by: its score, and where beams are drawn noise beside it
  bool ends = false;
  std::function<bool(int32_t)> stops = {};  // its parent's, which took the id too
};

/// The search of one prompt's texts; logits come from outside, so that several searches share them.
class Search {
 public:
  Search(const Stepper& stepper, const std::vector<int32_t>& prompt,
         std::span<const int32_t> source, const BeamOptions& options)
      : options_(&options),
        source_(source.begin(), source.end()),
        room_(room_after(stepper, prompt, options.max_new_tokens, options.max_length)),
        beams_{{.ids = prompt, .score = 0, .written = {}, .stops = options.stops}},
        parents_{0},
        seen_(1),
        prompt_tokens_(std::ssize(prompt)) {}

  const std::vector<Beam>& beams() const { return beams_; }
  /// Which of the last step's beams each one comes from.
  const std::vector<int64_t>& parents() const { return parents_; }

  /// Takes beam `row`'s logits [V] of this step; beams may go on different threads.
  void see(int64_t row, const Tensor& logits) {
    Seen& seen = seen_[static_cast<size_t>(row)];
    seen.logits = logits;
    seen.whole = checked_log_sum_exp(logits);
    const Beam& beam = beams_[static_cast<size_t>(row)];
    const std::vector<float> scores = scores_of(beam, logits, seen.whole);
    seen.candidates.clear();
    const auto score_of = [&](int32_t id) { return beam.score + scores[static_cast<size_t>(id)]; };
    if (!draws()) {
      for (const int32_t id : likeliest_ids(scores, most_candidates())) {
        const double score = score_of(id);
        seen.candidates.push_back({.parent = row, .id = id, .score = score, .key = score});
      }
      return;
    }
    for (const auto& [key, id] : drawn(row, scores)) {
      seen.candidates.push_back({.parent = row, .id = id, .score = score_of(id), .key = key});
    }
  }

  /// One more token a beam, all of which have been seen; whether there is more to search.
  bool grow() {
    ++length_;
    std::vector<Candidate> candidates = first_candidates();
    end_some(candidates);
    std::ranges::stable_sort(candidates, std::greater<>(), &Candidate::score);
    if (length_ == room_ || !go_on(candidates) || !worth_going_on()) return false;
    seen_.resize(beams_.size());
    return true;
  }

  std::vector<Written> take() { return std::move(ended_); }

 private:
  /// What the model says after a beam.
  struct Seen {
    Tensor logits;     // [V]
    double whole = 0;  // their log_sum_exp
    std::vector<Candidate> candidates;
  };

  bool draws() const { return options_->sampling.temperature > 0; }

  /// So many tokens that one of them goes on whatever end tokens are among them.
  int64_t least_tokens() const { return std::max<int64_t>(1, std::ssize(options_->end_ids)) + 1; }
  /// So many that `beams` go on.
  size_t most_candidates() const { return static_cast<size_t>(least_tokens() * options_->beams); }

  double penalty(int64_t length) const {
    return std::pow(static_cast<double>(length), options_->length_penalty);
  }

  bool full() const { return std::ssize(ended_) == options_->beams; }

  /// A beam's log-probabilities as the rules, and where beams are drawn the choices, change them.
  std::vector<float> scores_of(const Beam& beam, const Tensor& logits, double whole) const {
    std::vector<float> scores(static_cast<size_t>(logits.numel()));
    std::ranges::transform(logits.span<const float>(), scores.begin(),
                           [whole](float logit) { return static_cast<float>(logit - whole); });
    apply_rules(
        scores,
        {.ids = beam.ids,
         .source = source_.empty() ? std::span(beam.ids).first(static_cast<size_t>(prompt_tokens_))
                                   : std::span(source_),
         .prompt_tokens = prompt_tokens_,
         .most_tokens = prompt_tokens_ + room_,
         .end_ids = options_->end_ids},
        options_->rules);
    if (draws()) apply_choices(scores, options_->sampling, least_tokens());
    if (options_->rules.renormalize_logits) renormalize(scores);
    return scores;
  }

  /// The tokens that may be drawn behind a beam, first drawn first: those with the largest sums of
  /// the longer text's score and a draw from Gumbel's distribution (Gumbel top-k).
  std::vector<std::pair<double, int32_t>> drawn(int64_t row, std::span<const float> scores) const {
    const double before = beams_[static_cast<size_t>(row)].score;
    std::vector<std::pair<double, int32_t>> keys;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] == -INFINITY) continue;
      const auto id = static_cast<int32_t>(i);
      keys.emplace_back(before + scores[i] + gumbel_draw(options_->seed, length_, row, id), id);
    }
    const size_t count = std::min(keys.size(), most_candidates());
    const auto end = keys.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(keys.begin(), end, keys.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    keys.resize(count);
    return keys;
  }

  /// Of all beams' continuations the likeliest, or those that are drawn, in that order.
  std::vector<Candidate> first_candidates() {
    std::vector<Candidate> all;
    for (const Seen& seen : seen_) {
      all.insert(all.end(), seen.candidates.begin(), seen.candidates.end());
    }
    std::ranges::sort(all, [](const Candidate& a, const Candidate& b) {
      if (a.key != b.key) return a.key > b.key;
      return a.parent != b.parent ? a.parent < b.parent : a.id < b.id;
    });
    if (all.size() > most_candidates()) all.resize(most_candidates());
    if (all.empty() && ended_.empty()) refuse_nothing_left();
    for (Candidate& one : all) one.ends = ends(one);
    return all;
  }

  bool ends(Candidate& candidate) const {
    const auto& end_ids = options_->end_ids;
    if (std::ranges::find(end_ids, candidate.id) != end_ids.end()) return true;
    candidate.stops = beams_[static_cast<size_t>(candidate.parent)].stops;
    return candidate.stops && candidate.stops(candidate.id);
  }

  Written grown(const Candidate& candidate) const {
    const Seen& seen = seen_[static_cast<size_t>(candidate.parent)];
    Written written = beams_[static_cast<size_t>(candidate.parent)].written;
    written.ids.push_back(candidate.id);
    written.logprobs.push_back(static_cast<float>(seen.logits.at({candidate.id}) - seen.whole));
    if (options_->likeliest > 0) {
      written.likeliest.push_back(likeliest_tokens(seen.logits, seen.whole, options_->likeliest));
    }
    return written;
  }

  /// Those of the first `beams` candidates that end are among the best, if their scores are.
  void end_some(const std::vector<Candidate>& candidates) {
    const auto most = std::min<size_t>(candidates.size(), static_cast<size_t>(options_->beams));
    for (size_t i = 0; i < most; ++i) {
      const Candidate& one = candidates[i];
      if (!one.ends && length_ < room_) continue;
      ended_.push_back(grown(one));
      ended_.back().finish = one.ends ? Finish::stop : Finish::length;
      ended_.back().score = one.score / penalty(length_);
    }
    std::ranges::stable_sort(ended_, std::greater<>(), &Written::score);
    if (std::ssize(ended_) > options_->beams) ended_.resize(static_cast<size_t>(options_->beams));
  }

  /// The best `beams` candidates that do not end become the beams; whether there are any.
  bool go_on(std::vector<Candidate>& candidates) {
    std::vector<Beam> beams;
    parents_.clear();
    for (Candidate& one : candidates) {
      if (one.ends || std::ssize(beams) == options_->beams) continue;
      Beam& beam = beams.emplace_back(Beam{beams_[static_cast<size_t>(one.parent)].ids, one.score,
                                           grown(one), std::move(one.stops)});
      beam.ids.push_back(one.id);
      parents_.push_back(one.parent);
    }
    beams_ = std::move(beams);
    return !beams_.empty();
  }

  bool worth_going_on() const {
    if (!full()) return true;
    if (options_->early_stopping == EarlyStopping::on) return false;
    const bool grows =
        options_->early_stopping == EarlyStopping::never && options_->length_penalty > 0;
    return beams_.front().score / penalty(grows ? room_ : length_) > ended_.back().score;
  }

  const BeamOptions* options_;
  std::vector<int32_t> source_;
  int64_t room_;
  int64_t length_ = 0;  // of a candidate without the prompt
  std::vector<Beam> beams_;
  std::vector<int64_t> parents_;
  std::vector<Seen> seen_;  // of each beam
  int64_t prompt_tokens_;
  std::vector<Written> ended_;  // best first
};

/// All searches' beams, one step after the other.
class Searches {
 public:
  Searches(Stepper& stepper, const std::vector<std::vector<int32_t>>& prompts,
           const BeamOptions& options)
      : stepper_(stepper), found_(prompts.size()) {
    for (size_t i = 0; i < prompts.size(); ++i) {
      const auto source = options.sources.empty() ? std::span<const int32_t>() : options.sources[i];
      live_.push_back({Search(stepper, prompts[i], source, options), i, std::ssize(live_)});
    }
  }

  std::vector<std::vector<Written>> run() {
    for (bool first = true; !live_.empty(); first = false) {
      check_cancelled();
      step(first);
      std::erase_if(live_, [this](Live& one) {
        if (one.search.grow()) return false;
        found_[one.prompt] = one.search.take();
        return true;
      });
    }
    return std::move(found_);
  }

 private:
  struct Live {
    Search search;
    size_t prompt;      // its number
    int64_t first_row;  // of its beams in the last call
  };

  void step(bool first) {
    std::vector<std::vector<int32_t>> rows;
    std::vector<int64_t> parents;
    std::vector<std::pair<Search*, int64_t>> beams;  // of each row
    for (Live& one : live_) {
      const std::vector<Beam>& its = one.search.beams();
      for (size_t i = 0; i < its.size(); ++i) {
        rows.push_back(its[i].ids);
        parents.push_back(one.first_row + one.search.parents()[i]);
        beams.emplace_back(&one.search, static_cast<int64_t>(i));
      }
      one.first_row = std::ssize(rows) - std::ssize(its);
    }
    const Tensor logits =  // [R, V]
        stepper_.next(rows, first ? std::vector<int64_t>() : parents);
    parallel_for(std::ssize(rows), [&](int64_t row, int) {
      const auto& [search, beam] = beams[static_cast<size_t>(row)];
      search->see(beam, logits.select(0, row));
    });
  }

  Stepper& stepper_;
  std::vector<Live> live_;
  std::vector<std::vector<Written>> found_;
};

}  // namespace

std::vector<Written> beam_search(Stepper& stepper, const std::vector<int32_t>& prompt,
                                 const BeamOptions& options) {
  return std::move(
      beam_search_batch(stepper, std::vector<std::vector<int32_t>>{prompt}, options).front());
}

std::vector<std::vector<Written>> beam_search_batch(
    Stepper& stepper, const std::vector<std::vector<int32_t>>& prompts,
    const BeamOptions& options) {
  if (options.beams < 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: beams must be at least 1 but is {}", options.beams));
  }
  if (!std::isfinite(options.length_penalty)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: length-penalty must be a finite number but is {}",
                            options.length_penalty));
  }
  check_sampling(options.sampling);
  check_rules(options.rules);
  HEED_ASSERT(options.sources.empty() || options.sources.size() == prompts.size());
  return Searches(stepper, prompts, options).run();
}

}  // namespace heed
