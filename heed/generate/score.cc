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

/// Log-probabilities of ids [first, end) of those from `begin` on.
class Scorer {
 public:
  Scorer(const CausalModel& model, const std::vector<int32_t>& ids)
      : model_(model), ids_(ids), logprobs_(ids.size(), NAN) {}

  void score(int64_t begin, int64_t first, int64_t end) {
    const auto at = [this](int64_t place) { return ids_.begin() + place; };
    const std::vector<int32_t> read(at(begin), at(end));
    const Tensor states =
        model_.hidden(Tensor::from(read, {1, end - begin})).select(0, 0);  // [T, C]
    const int64_t rows = std::clamp<int64_t>(kMostLogits / model_.facts().vocab, 1, 256);
    for (int64_t next = first; next < end; next += rows) {
      const int64_t last = std::min(end, next + rows);
      // what stands before a token tells of it
      const Tensor before = states.slice(0, next - 1 - begin, last - 1 - begin);
      take(model_.logits(before), next);
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

  const CausalModel& model_;
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
  Scorer scorer(model, ids);
  for (int64_t scored = 1; scored < tokens;) {
    check_cancelled();
    const int64_t end = scored == 1 ? std::min(tokens, context) : std::min(tokens, scored + stride);
    scorer.score(std::max<int64_t>(0, end - context), scored, end);
    scored = end;
    if (options.progress) options.progress(scored, tokens);
  }
  return std::move(scorer).result();
}

}  // namespace heed
