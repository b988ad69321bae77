#include "heed/generate/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/philox.h"
#include "heed/generate/ranking.h"

namespace heed {
namespace {

using Row = std::vector<int32_t>;

/// A text that is being written.
struct Text {
  int64_t number = 0;
  uint64_t seed = 0;
  int64_t parent = 0;  // its row in the last call
  Row ids;             // with the prompt
  int64_t prompt_tokens = 0;
  int64_t room = 0;
  Written written;
};

class Batch {
 public:
  Batch(Stepper& stepper, const std::vector<Row>& prompts, const DecodeOptions& options)
      : stepper_(stepper), options_(options) {
    check_sampling(options.sampling);
    check_rules(options.rules);
    HEED_ASSERT(options.samples >= 1);
    HEED_ASSERT(options.sources.empty() || options.sources.size() == prompts.size());
    for (const Row& prompt : prompts) {
      const int64_t room = room_after(stepper, prompt, options.max_new_tokens, options.max_length);
      for (int64_t sample = 0; sample < options.samples; ++sample) {
        live_.push_back({.number = std::ssize(live_),
                         .seed = sample == 0
                                     ? options.seed
                                     : derived_seed(options.seed, static_cast<uint64_t>(sample)),
                         .parent = std::ssize(live_) / options.samples,
                         .ids = prompt,
                         .prompt_tokens = std::ssize(prompt),
                         .room = room,
                         .written = {}});
      }
    }
    written_.resize(live_.size());
  }

  std::vector<Written> run(const std::vector<Row>& prompts) {
    Tensor logits = ask(prompts, {});  // [R, V]
    while (logits && !live_.empty()) {
      for (Text& text : live_) grow(text, logits.select(0, text.parent));
      std::erase_if(live_, [](const Text& text) { return text.room == 0; });
      if (!live_.empty()) logits = ask_next();
    }
    for (Text& text : live_) end(text, Finish::interrupted);
    return std::move(written_);
  }

 private:
  /// One more token, and whether it is the last.
  void grow(Text& text, const Tensor& logits) {  // [V]
    Written& written = text.written;
    const double whole = checked_log_sum_exp(logits);
    const int32_t id = pick(text, logits);
    const float logprob = static_cast<float>(double{logits.at({id})} - whole);
    if (options_.likeliest > 0) {
      written.likeliest.push_back(likeliest_tokens(logits, whole, options_.likeliest));
    }
    written.ids.push_back(id);
    written.logprobs.push_back(logprob);
    written.score += logprob;
    text.ids.push_back(id);
    const bool go_on = !options_.on_token || options_.on_token(text.number, id);
    const auto& end_ids = options_.end_ids;
    if (!go_on || std::ranges::find(end_ids, id) != end_ids.end()) {
      end(text, Finish::stop);
    } else if (--text.room == 0) {
      end(text, Finish::length);
    }
  }

  int32_t pick(const Text& text, const Tensor& logits) {
    const double draw = sampling_draw(text.seed, std::ssize(text.written.ids));
    if (options_.rules.none()) return pick_token(logits.span<float>(), options_.sampling, draw);
    const auto plain = logits.span<float>();
    scores_.assign(plain.begin(), plain.end());
    apply_rules(scores_,
                {.ids = text.ids,
                 .source = source_of(text),
                 .prompt_tokens = text.prompt_tokens,
                 .most_tokens = std::ssize(text.ids) + text.room,
                 .end_ids = options_.end_ids},
                options_.rules);
    if (options_.rules.renormalize_logits) renormalize(scores_);
    return pick_token(scores_, options_.sampling, draw);
  }

  std::span<const int32_t> source_of(const Text& text) const {
    if (!options_.sources.empty()) {
      return options_.sources[static_cast<size_t>(text.number / options_.samples)];
    }
    return std::span(text.ids).first(static_cast<size_t>(text.prompt_tokens));
  }

  void end(Text& text, Finish finish) {
    text.written.finish = finish;
    if (options_.on_end) options_.on_end(text.number, text.written);
    written_[static_cast<size_t>(text.number)] = std::move(text.written);
    text.room = 0;
  }

  Tensor ask_next() {
    std::vector<Row> rows;
    std::vector<int64_t> parents;
    for (Text& text : live_) {
      parents.push_back(std::exchange(text.parent, std::ssize(rows)));
      rows.push_back(text.ids);
    }
    return ask(rows, parents);
  }

  /// Undefined where a stop was asked for.
  Tensor ask(const std::vector<Row>& rows, const std::vector<int64_t>& parents) {
    if (cancel_requested()) return {};
    try {
      return stepper_.next(rows, parents);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::cancelled) throw;
      return {};
    }
  }

  Stepper& stepper_;
  const DecodeOptions& options_;
  std::vector<Text> live_;
  std::vector<float> scores_;
  std::vector<Written> written_;
};

}  // namespace

std::string_view to_string(Finish finish) {
  switch (finish) {
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::interrupted:
      return "interrupted";
  }
  HEED_ASSERT(false);
}

int64_t room_after(const Stepper& stepper, const std::vector<int32_t>& prompt,
                   int64_t max_new_tokens, int64_t max_length) {
  if (max_new_tokens < 1) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("generate: max-new-tokens must be at least 1 but is {}", max_new_tokens));
  }
  if (prompt.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "generate: the prompt has no tokens, and the model names none that a text begins "
                "with; give some text");
  }
  const int64_t positions = stepper.max_tokens();
  const bool shorter = max_length > 0 && max_length < positions;
  const int64_t left = (shorter ? max_length : positions) - std::ssize(prompt);
  if (left < 1) {
    const std::string why = shorter ? fmt::format("max_length is {}", max_length)
                                    : fmt::format("the model has {} positions", positions);
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: a prompt of {} leaves no room for more, as {}; {}",
                            counted(std::ssize(prompt), "token"), why,
                            shorter ? "give max-new-tokens" : "shorten it"));
  }
  return std::min(left, max_new_tokens);
}

Written decode(Stepper& stepper, const std::vector<int32_t>& prompt, const DecodeOptions& options) {
  return std::move(decode_batch(stepper, std::vector<Row>{prompt}, options).front());
}

std::vector<Written> decode_batch(Stepper& stepper,
                                  const std::vector<std::vector<int32_t>>& prompts,
                                  const DecodeOptions& options) {
  return Batch(stepper, prompts, options).run(prompts);
}

std::vector<TokenLogprob> likeliest_tokens(const Tensor& logits, double whole, int64_t count) {
  std::vector<TokenLogprob> tokens;
  for (const int32_t id : likeliest_ids(logits.span<const float>(), static_cast<size_t>(count))) {
    tokens.push_back({id, static_cast<float>(logits.at({id}) - whole)});
  }
  return tokens;
}

double checked_log_sum_exp(const Tensor& logits) {
  const double whole = log_sum_exp(logits);
  if (std::isnan(whole)) pick_token(logits.span<float>(), {}, 0);  // tells what is wrong
  return whole;
}

}  // namespace heed
