#include "heed/generate/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/generate/sampling.h"

namespace heed {
namespace {

constexpr int64_t kMostLogits = int64_t{1} << 24;  // 64 MB

struct Window {
  int64_t context;
  int64_t stride;
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "score: " + what);
}

Window window_for(const CausalModel& model, const ScoreOptions& options) {
  const int64_t context = std::min(options.context, model.facts().max_tokens);
  const int64_t stride = options.stride == 0 ? std::max<int64_t>(1, context / 2) : options.stride;
  if (context < 2) refuse(fmt::format("context must be at least 2 but is {}", context));
  if (stride < 1 || stride >= context) {
    refuse(fmt::format("stride must be from 1 to {}, below the context, but is {}", context - 1,
                       stride));
  }
  return {context, stride};
}

/// Before any of them picks one of V scores: a target's last id is never looked up in a table.
void check_ids(const std::vector<int32_t>& ids, int64_t vocab) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab) continue;
    refuse(fmt::format("ids must be in [0, {}), the model's tokens, but id {} stands at place {}",
                       vocab, ids[i], i));
  }
}

/// A text of many tokens takes long: it ends at the next block or step where a stop is asked for.
class StopsAtBlocks : public Observer {
 public:
  void hidden_state(int, const Tensor&) override { check_cancelled(); }
  void step() override { check_cancelled(); }
};

/// Log-probabilities of a text's ids, part by part.
class Scorer {
 public:
  explicit Scorer(const std::vector<int32_t>& ids) : ids_(ids), logprobs_(ids.size(), NAN) {}

  /// The model's states [R, C], of which row r tells of the id at place first + r.
  template <class Model>
  void score(const Model& model, int64_t vocab, const Tensor& states, int64_t first) {
    const int64_t rows = std::clamp<int64_t>(kMostLogits / vocab, 1, 256);
    for (int64_t next = 0; next < states.size(0); next += rows) {
      check_cancelled();
      const int64_t last = std::min(states.size(0), next + rows);
      take(model.logits(states.slice(0, next, last)), first + next);
    }
  }

  TextScore result() && {
    TextScore score;
    for (const float logprob : logprobs_) {
      if (std::isnan(logprob)) continue;
      score.sum += logprob;
      ++score.tokens;
    }
    score.logprobs = std::move(logprobs_);
    return score;
  }

 private:
  void take(const Tensor& logits, int64_t first) {  // [R, V]
    parallel_for(logits.size(0), [&](int64_t row, int) {
      const auto place = static_cast<size_t>(first + row);
      const Tensor one = logits.select(0, row);
      logprobs_[place] = static_cast<float>(double{one.at({ids_[place]})} - log_sum_exp(one));
    });
    for (int64_t row = 0; row < logits.size(0); ++row) {
      if (!std::isnan(logprobs_[static_cast<size_t>(first + row)])) continue;
      pick_token(logits.select(0, row).span<float>(), {}, 0);  // tells what is wrong
    }
  }

  const std::vector<int32_t>& ids_;
  std::vector<float> logprobs_;
};

}  // namespace

double TextScore::perplexity() const {
  return tokens == 0 ? NAN : std::exp(-sum / static_cast<double>(tokens));
}

TextScore score_text(const CausalModel& model, const std::vector<int32_t>& ids,
                     const ScoreOptions& options) {
  const auto [context, stride] = window_for(model, options);
  const auto tokens = std::ssize(ids);
  if (tokens == 0) refuse("needed a text of at least one token, found an empty one");
  check_ids(ids, model.facts().vocab);
  Scorer scorer(ids);
  StopsAtBlocks stops;
  for (int64_t scored = 1; scored < tokens;) {
    const int64_t end = scored == 1 ? std::min(tokens, context) : std::min(tokens, scored + stride);
    const int64_t begin = std::max<int64_t>(0, end - context);
    const std::vector<int32_t> read(ids.begin() + begin, ids.begin() + end);
    const Tensor states =
        model.hidden(Tensor::from(read, {1, end - begin}), {.observer = &stops}).select(0, 0);
    // what stands before a token tells of it
    scorer.score(model, model.facts().vocab, states.slice(0, scored - 1 - begin, end - 1 - begin),
                 scored);
    scored = end;
    if (options.progress) options.progress(scored, tokens);
  }
  return std::move(scorer).result();
}

TextScore score_target(const EncoderDecoder& model, const std::vector<int32_t>& source,
                       int32_t start, const std::vector<int32_t>& target) {
  if (source.empty() || target.empty()) {
    refuse("needed a source and a target of at least one token each, found an empty one");
  }
  check_ids(target, model.facts().target_vocab);
  std::vector<int32_t> before{start};
  before.insert(before.end(), target.begin(), target.end() - 1);
  StopsAtBlocks stops;
  const Run run{.observer = &stops};
  const Memory memory = model.encode(EncoderInput::from_rows({source}), run);
  const Tensor states = model.decode(Tensor::from(before, {1, std::ssize(before)}), memory, run);
  Scorer scorer(target);
  scorer.score(model, model.facts().target_vocab, states.select(0, 0), 0);
  return std::move(scorer).result();
}

}  // namespace heed
