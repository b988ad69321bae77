#include "heed/generate/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "heed/base/error.h"
#include "heed/generate/sampling.h"

namespace heed {
namespace {

// the option's name and the file's, or both by their letters
constexpr const char* kBias = "logit-bias (sequence_bias)";
constexpr const char* kBadWords = "bad-words-ids";
constexpr const char* kForcedBegin = "forced-bos-token-id";
constexpr const char* kForcedEnd = "forced-eos-token-id";
constexpr const char* kSuppressed = "suppress-tokens";
constexpr const char* kSuppressedFirst = "begin-suppress-tokens";

[[noreturn]] void refuse(const char* name, const char* needed, double found) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("generate: {} must be {} but is {}", name, needed, found));
}

/// The scores of a step, with ids checked where they come from outside.
class Scores {
 public:
  Scores(std::span<float> scores, const TextState& text) : scores_(scores), text_(text) {}

  void add(const char* rule, int32_t id, float bias) { at(rule, id) += bias; }
  void forbid(const char* rule, std::span<const int32_t> ids) {
    for (const int32_t id : ids) at(rule, id) = -INFINITY;
  }
  void forbid_end() {
    for_each_end([](float& score) { score = -INFINITY; });
  }
  /// An end that is forbidden stays so, and none gets above all numbers.
  void favor_end(double factor) {
    static constexpr float kMost = std::numeric_limits<float>::max() / 2;
    const auto gain = static_cast<float>(std::min<double>(factor - 1, kMost));
    for_each_end([gain](float& score) {
      if (score != -INFINITY) score += std::min(std::abs(score) * gain, kMost);
    });
  }
  void force(const char* rule, std::span<const int32_t> ids) {
    std::ranges::fill(scores_, -INFINITY);
    for (const int32_t id : ids) at(rule, id) = 0;
  }

  /// Each token that stands in the row, once.
  void penalize(std::span<const int32_t> row, double penalty) {
    const auto factor = static_cast<float>(penalty);
    std::vector<bool> done(scores_.size());
    for (const int32_t id : row) {
      const auto place = static_cast<size_t>(id);
      if (place >= scores_.size() || done[place]) continue;
      done[place] = true;
      float& score = scores_[place];
      score = score < 0 ? score * factor : score / factor;
    }
  }

  void penalize_written(double presence, double frequency) {
    std::map<int32_t, int64_t> counts;
    for (const int32_t id : text_.ids.subspan(static_cast<size_t>(text_.prompt_tokens))) {
      ++counts[id];
    }
    for (const auto& [id, count] : counts) {
      scores_[static_cast<size_t>(id)] -=
          static_cast<float>(presence + frequency * static_cast<double>(count));
    }
  }

  /// Whatever follows a copy, in the row, of the text's last n - 1 tokens.
  void forbid_repeated(std::span<const int32_t> row, int64_t n) {
    if (std::ssize(text_.ids) < n - 1) return;
    const auto last = text_.ids.last(static_cast<size_t>(n - 1));
    for (size_t at = 0; at + static_cast<size_t>(n) <= row.size(); ++at) {
      const auto window = row.subspan(at, static_cast<size_t>(n));
      const auto id = static_cast<size_t>(window.back());
      if (id < scores_.size() && std::ranges::equal(window.first(last.size()), last)) {
        scores_[id] = -INFINITY;
      }
    }
  }

  /// Whether the text ends with all but the last of them.
  bool about_to_finish(std::span<const int32_t> row) const {
    const auto before = row.first(row.size() - 1);
    return before.size() <= text_.ids.size() &&
           std::ranges::equal(text_.ids.last(before.size()), before);
  }

 private:
  template <class F>
  void for_each_end(const F& change) {
    for (const int32_t id : text_.end_ids) {
      if (id >= 0 && static_cast<size_t>(id) < scores_.size()) {
        change(scores_[static_cast<size_t>(id)]);
      }
    }
  }

  float& at(const char* rule, int32_t id) {
    check_ids(rule, std::span(&id, 1), std::ssize(scores_));
    return scores_[static_cast<size_t>(id)];
  }

  std::span<float> scores_;
  const TextState& text_;
};

/// The end alone is no bad word, as transformers has it.
bool is_end(const std::vector<int32_t>& word, const TextState& text) {
  return word.size() == 1 && std::ranges::find(text.end_ids, word[0]) != text.end_ids.end();
}

/// Where the first token comes that may be picked.
int64_t first_picked(const TextState& text, const ScoreRules& rules) {
  return text.prompt_tokens > 1 || !rules.forced_bos_token_id ? text.prompt_tokens
                                                              : text.prompt_tokens + 1;
}

}  // namespace

bool ScoreRules::none() const {
  return sequence_bias.empty() && encoder_repetition_penalty == 1 && repetition_penalty == 1 &&
         presence_penalty == 0 && frequency_penalty == 0 && no_repeat_ngram_size == 0 &&
         encoder_no_repeat_ngram_size == 0 && bad_words_ids.empty() && min_length == 0 &&
         min_new_tokens == 0 && !forced_bos_token_id && forced_eos_token_id.empty() &&
         !exponential_decay_length_penalty && suppress_tokens.empty() &&
         begin_suppress_tokens.empty() && !renormalize_logits;
}

void check_rules(const ScoreRules& rules) {
  for (const auto& [name, value] :
       {std::pair("encoder-repetition-penalty", rules.encoder_repetition_penalty),
        std::pair("repetition-penalty", rules.repetition_penalty)}) {
    if (!(value > 0) || std::isinf(value)) refuse(name, "a number above 0", value);
  }
  for (const auto& [name, value] : {std::pair("presence-penalty", rules.presence_penalty),
                                    std::pair("frequency-penalty", rules.frequency_penalty)}) {
    if (!std::isfinite(value)) refuse(name, "a number", value);
  }
  for (const auto& [name, value] :
       {std::pair("no-repeat-ngram-size", rules.no_repeat_ngram_size),
        std::pair("encoder-no-repeat-ngram-size", rules.encoder_no_repeat_ngram_size),
        std::pair("min-length", rules.min_length),
        std::pair("min-new-tokens", rules.min_new_tokens)}) {
    if (value < 0) refuse(name, "0 or more", static_cast<double>(value));
  }
  if (const auto& decay = rules.exponential_decay_length_penalty) {
    if (decay->start < 0) {
      refuse("exponential-decay-length-penalty's start", "0 tokens or more",
             static_cast<double>(decay->start));
    }
    if (!(decay->factor > 0) || std::isinf(decay->factor)) {
      refuse("exponential-decay-length-penalty's factor", "a number above 0", decay->factor);
    }
  }
  for (const SequenceBias& one : rules.sequence_bias) {
    if (one.ids.empty()) refuse(kBias, "of at least one token", 0);
    if (std::isnan(one.bias) || one.bias == INFINITY) {
      refuse(kBias, "a number or -inf", one.bias);
    }
  }
  for (const std::vector<int32_t>& word : rules.bad_words_ids) {
    if (word.empty()) refuse(kBadWords, "of at least one token", 0);
  }
}

void check_ids(const char* name, std::span<const int32_t> ids, int64_t vocab) {
  for (const int32_t id : ids) {
    if (id >= 0 && id < vocab) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: {} has the token {}, but the model has {} tokens, 0 to {}",
                            name, id, vocab, vocab - 1));
  }
}

void check_rule_ids(const ScoreRules& rules, int64_t vocab) {
  for (const SequenceBias& one : rules.sequence_bias) check_ids(kBias, one.ids, vocab);
  for (const std::vector<int32_t>& word : rules.bad_words_ids) check_ids(kBadWords, word, vocab);
  if (const auto& id = rules.forced_bos_token_id)
    check_ids(kForcedBegin, std::span(&*id, 1), vocab);
  check_ids(kForcedEnd, rules.forced_eos_token_id, vocab);
  check_ids(kSuppressed, rules.suppress_tokens, vocab);
  check_ids(kSuppressedFirst, rules.begin_suppress_tokens, vocab);
}

void apply_rules(std::span<float> scores_, const TextState& text, const ScoreRules& rules) {
  Scores scores(scores_, text);
  const auto length = std::ssize(text.ids);
  for (const SequenceBias& one : rules.sequence_bias) {
    if (scores.about_to_finish(one.ids)) scores.add(kBias, one.ids.back(), one.bias);
  }
  if (rules.encoder_repetition_penalty != 1) {
    scores.penalize(text.source, 1 / rules.encoder_repetition_penalty);
  }
  if (rules.repetition_penalty != 1) scores.penalize(text.ids, rules.repetition_penalty);
  if (rules.presence_penalty != 0 || rules.frequency_penalty != 0) {
    scores.penalize_written(rules.presence_penalty, rules.frequency_penalty);
  }
  if (rules.no_repeat_ngram_size > 0) {
    scores.forbid_repeated(text.ids, rules.no_repeat_ngram_size);
  }
  if (rules.encoder_no_repeat_ngram_size > 0) {
    scores.forbid_repeated(text.source, rules.encoder_no_repeat_ngram_size);
  }
  for (const std::vector<int32_t>& word : rules.bad_words_ids) {
    if (!is_end(word, text) && scores.about_to_finish(word)) {
      scores.add(kBadWords, word.back(), -INFINITY);
    }
  }
  const bool counts_new = rules.min_new_tokens > 0;  // it takes precedence, as in transformers
  if (length < (counts_new ? text.prompt_tokens + rules.min_new_tokens : rules.min_length)) {
    scores.forbid_end();
  }
  if (length == 1 && rules.forced_bos_token_id) {
    scores.force(kForcedBegin, std::span(&*rules.forced_bos_token_id, 1));
  }
  if (length == text.most_tokens - 1 && !rules.forced_eos_token_id.empty()) {
    scores.force(kForcedEnd, rules.forced_eos_token_id);
  }
  if (const auto& decay = rules.exponential_decay_length_penalty) {
    const int64_t over = length - text.prompt_tokens - decay->start;
    if (over > 0) scores.favor_end(std::pow(decay->factor, static_cast<double>(over)));
  }
  scores.forbid(kSuppressed, rules.suppress_tokens);
  if (length == first_picked(text, rules)) {
    scores.forbid(kSuppressedFirst, rules.begin_suppress_tokens);
  }
}

void renormalize(std::span<float> scores) {
  const auto count = static_cast<int64_t>(scores.size());
  const double whole = log_sum_exp(Tensor::from(std::span<const float>(scores), {count}));
  if (std::isinf(whole)) return;  // no token is left, which whoever picks one tells
  for (float& score : scores) score = static_cast<float>(score - whole);
}

}  // namespace heed
