#include "heed/generate/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/error.h"
#include "heed/base/philox.h"
#include "heed/generate/ranking.h"
#include "heed/ops/cross_entropy.h"

namespace heed {
namespace {

void check_scores(std::span<const float> scores) {
  bool broken = false;
  for (const float score : scores) broken |= !(score < INFINITY);
  if (!broken) return;
  throw Error(ErrorCode::corrupt_data,
              "generate: the model's logits are not numbers (NaN or inf); its weights are broken, "
              "or its training diverged");
}

/// The tokens that may still come, with weights that are their probabilities up to a factor. What
/// leaves some of them out leaves `least` in at least.
class Candidates {
 public:
  Candidates(std::span<const float> scores, double temperature, size_t least)
      : ranking_(scores), temperature_(temperature), least_(least) {
    if (ranking_.size() == 0) refuse_nothing_left();
    top_ = ranking_.score(0);
  }

  void keep_top_k(int64_t k) {
    if (k == 0 || static_cast<size_t>(k) >= ranking_.size()) return;
    auto size = std::min(std::max(static_cast<size_t>(k), least_), ranking_.size());
    const float last = ranking_.score(size - 1);
    while (size < ranking_.size() && ranking_.score(size) == last) ++size;
    ranking_.cut(size);
  }

  void keep_top_p(double p) {
    if (p >= 1) return;
    const double enough = p * total();
    double sum = 0;
    size_t size = 0;
    do sum += weight_at(size++);
    while ((sum < enough || size < least_) && size < ranking_.size());
    ranking_.cut(size);
  }

  /// Those of at least that weight; the likeliest has 1.
  void keep_weights_from(double least) {
    size_t size = std::min(least_, ranking_.size());
    while (size < ranking_.size() && weight_at(size) >= least) ++size;
    ranking_.cut(size);
  }

  /// Those of at least that probability, and all that are as likely as the last that has to stay.
  void keep_probabilities_from(double least) {
    const double last = weight_at(std::min(least_, ranking_.size()) - 1);
    keep_weights_from(std::min(last, least * total()));
  }

  void keep_typical(double mass) {
    if (mass >= 1) return;
    const double whole = total(), surprise_of_top = std::log(whole), even = entropy();
    const auto strangeness = [&](int32_t id) {  // how far -ln p is from the entropy
      return std::abs(surprise_of_top - exponent(id) - even);
    };
    std::vector<int32_t> ids(ranking_.ids().begin(), ranking_.ids().end());
    std::ranges::sort(ids, {}, [&](int32_t id) { return std::pair(strangeness(id), id); });
    double sum = 0;
    size_t last = 0;
    for (; last + 1 < ids.size(); ++last) {
      sum += weight_of(ids[last]) / whole;
      if (sum >= mass) break;
    }
    const double most = strangeness(ids[last]);
    ids.resize(std::min(least_, ids.size()));
    ranking_.keep_if([&](int32_t id) {
      return strangeness(id) <= most || std::ranges::find(ids, id) != ids.end();
    });
  }

  /// Of the probabilities, in nats.
  double entropy() const {
    const double whole = total();
    double sum = 0;
    for (const int32_t id : ranking_.ids()) {
      const double p = weight_of(id) / whole;
      if (p > 0) sum += p * (std::log(whole) - exponent(id));
    }
    return sum;
  }

  int32_t at(double draw) {
    const double reach = draw * total();
    double sum = 0;
    size_t place = 0;
    for (; place + 1 < ranking_.size(); ++place) {
      sum += weight_at(place);
      if (sum > reach) break;
    }
    return ranking_.id(place);
  }

  std::span<const int32_t> ids() const { return ranking_.ids(); }

 private:
  double exponent(int32_t id) const { return (ranking_.score_of(id) - top_) / temperature_; }
  double weight_of(int32_t id) const { return std::exp(exponent(id)); }
  double weight_at(size_t place) { return weight_of(ranking_.id(place)); }
  double total() const {
    double sum = 0;
    for (const int32_t id : ranking_.ids()) sum += weight_of(id);
    return sum;
  }

  Ranking ranking_;
  double temperature_;
  size_t least_;
  double top_ = 0;
};

/// What the choices leave.
Candidates candidates_of(std::span<const float> scores, const SamplingOptions& options,
                         size_t least) {
  Candidates candidates(scores, options.temperature, least);
  candidates.keep_top_k(options.top_k);
  candidates.keep_top_p(options.top_p);
  if (options.min_p > 0) candidates.keep_weights_from(options.min_p);
  candidates.keep_typical(options.typical_p);
  if (options.epsilon_cutoff > 0) candidates.keep_probabilities_from(options.epsilon_cutoff);
  if (options.eta_cutoff > 0) {
    const double eta = options.eta_cutoff;
    candidates.keep_probabilities_from(
        std::min(eta, std::sqrt(eta) * std::exp(-candidates.entropy())));
  }
  return candidates;
}

[[noreturn]] void refuse(const char* name, const char* needed, double found) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("generate: {} must be {} but is {}", name, needed, found));
}

void check_temperature(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || std::isinf(options.temperature)) {
    refuse("temperature", "a number from 0 (the likeliest token) on", options.temperature);
  }
  if (options.temperature > 0) return;
  const SamplingOptions none;
  const std::pair<const char*, bool> given[] = {
      {"top-k", options.top_k != none.top_k},
      {"top-p", options.top_p != none.top_p},
      {"min-p", options.min_p != none.min_p},
      {"typical-p", options.typical_p != none.typical_p},
      {"epsilon-cutoff", options.epsilon_cutoff != none.epsilon_cutoff},
      {"eta-cutoff", options.eta_cutoff != none.eta_cutoff}};
  for (const auto& [name, is_given] : given) {
    if (!is_given) continue;
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("generate: temperature 0 takes the likeliest token, always, so that {} "
                    "has nothing to choose from; give a temperature above 0 or leave {} out",
                    name, name));
  }
}

}  // namespace

void refuse_nothing_left() {
  throw Error(ErrorCode::invalid_argument,
              "generate: no token can come next: what is suppressed, forbidden or forced leaves "
              "none; allow more");
}

void check_sampling(const SamplingOptions& options) {
  const auto check_share = [](const char* name, double value) {
    if (!(value > 0 && value <= 1)) refuse(name, "above 0 and at most 1", value);
  };
  const auto check_part = [](const char* name, double value) {
    if (!(value >= 0 && value < 1)) refuse(name, "from 0 (all tokens) to below 1", value);
  };
  if (options.top_k < 0) {
    refuse("top-k", "0 (all tokens) or more", static_cast<double>(options.top_k));
  }
  check_share("top-p", options.top_p);
  if (!(options.min_p >= 0 && options.min_p <= 1)) {
    refuse("min-p", "from 0 (all tokens) to 1", options.min_p);
  }
  check_share("typical-p", options.typical_p);
  check_part("epsilon-cutoff", options.epsilon_cutoff);
  check_part("eta-cutoff", options.eta_cutoff);
  check_temperature(options);
}

int32_t pick_token(std::span<const float> scores, const SamplingOptions& options, double draw) {
  check_scores(scores);
  if (options.temperature == 0) {
    const std::vector<int32_t> likeliest = likeliest_ids(scores, 1);
    if (likeliest.empty()) refuse_nothing_left();
    return likeliest.front();
  }
  return candidates_of(scores, options, 1).at(draw);
}

void apply_choices(std::span<float> scores, const SamplingOptions& options, int64_t least) {
  check_scores(scores);
  if (std::ranges::all_of(scores, [](float score) { return score == -INFINITY; })) return;
  const auto temperature = static_cast<float>(options.temperature);
  std::vector<float> left(scores.size(), -INFINITY);
  const Candidates candidates = candidates_of(scores, options, static_cast<size_t>(least));
  for (const int32_t id : candidates.ids()) {
    left[static_cast<size_t>(id)] = scores[static_cast<size_t>(id)] / temperature;
  }
  std::ranges::copy(left, scores.begin());
}

double sampling_draw(uint64_t seed, int64_t step) {
  const auto words = philox(seed, static_cast<uint64_t>(step), PhiloxUse::sampling);
  return static_cast<double>((uint64_t{words[0]} << 32 | words[1]) >> 11) * 0x1p-53;
}

double gumbel_draw(uint64_t seed, int64_t step, int64_t beam, int32_t id) {
  const auto words =
      philox(seed, {static_cast<uint32_t>(id), static_cast<uint32_t>(beam),
                    static_cast<uint32_t>(step), static_cast<uint32_t>(PhiloxUse::beams)});
  const uint64_t bits = (uint64_t{words[0]} << 32 | words[1]) >> 12;
  const double uniform = (static_cast<double>(bits) + 0.5) * 0x1p-52;  // neither 0 nor 1
  return -std::log(-std::log(uniform));
}

double log_sum_exp(const Tensor& logits) {
  const auto all = logits.span<const float>();
  const std::vector<int32_t> likeliest = likeliest_ids(all, 1);
  const int32_t top = likeliest.empty() ? 0 : likeliest.front();
  const Tensor loss = cross_entropy(logits.detach().reshape({1, -1}),
                                    Tensor::from(std::vector<int32_t>{top}, {1}), {.sum = true});
  return double{*loss.data<float>()} + all[static_cast<size_t>(top)];
}

}  // namespace heed
