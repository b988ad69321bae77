#include "heed/generate/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/philox.h"

namespace heed {
namespace {

int32_t likeliest(std::span<const float> logits) {
  return static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
}

void check_logits(std::span<const float> logits) {
  for (const float logit : logits) {
    if (!std::isnan(logit)) continue;
    throw Error(ErrorCode::corrupt_data,
                "generate: the model's logits are not numbers (NaN); its weights are broken, or "
                "its training diverged");
  }
}

/// Candidates from the likeliest on.
std::vector<int32_t> in_order(std::span<const float> logits, int64_t top_k) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  if (top_k > 0 && top_k < std::ssize(ids)) {
    std::nth_element(ids.begin(), ids.begin() + top_k, ids.end(), before);
    ids.resize(static_cast<size_t>(top_k));
  }
  std::ranges::sort(ids, before);
  return ids;
}

}  // namespace

void check_sampling(const SamplingOptions& options) {
  const auto refuse = [](const char* name, const char* needed, double found) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: {} must be {} but is {}", name, needed, found));
  };
  if (!(options.temperature >= 0) || std::isinf(options.temperature)) {
    refuse("temperature", "a number from 0 (the likeliest token) on", options.temperature);
  }
  if (options.top_k < 0) {
    refuse("top-k", "0 (all tokens) or more", static_cast<double>(options.top_k));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    refuse("top-p", "above 0 and at most 1", options.top_p);
  }
}

int32_t pick_token(std::span<const float> logits, const SamplingOptions& options, double draw) {
  check_logits(logits);
  if (options.temperature == 0) return likeliest(logits);
  const std::vector<int32_t> ids = in_order(logits, options.top_k);
  const double top = logits[static_cast<size_t>(ids.front())];
  std::vector<double> sums;  // of the probabilities up to each candidate, times the whole
  double sum = 0;
  for (const int32_t id : ids) {
    sum += std::exp((logits[static_cast<size_t>(id)] - top) / options.temperature);
    sums.push_back(sum);
  }
  const auto first_reaching = [&](double part) {
    const auto at = std::ranges::lower_bound(sums, part) - sums.begin();
    return std::min(static_cast<size_t>(at), sums.size() - 1);
  };
  const size_t last = options.top_p < 1 ? first_reaching(options.top_p * sum) : sums.size() - 1;
  const auto picked = std::ranges::upper_bound(sums, draw * sums[last]) - sums.begin();
  return ids[std::min(static_cast<size_t>(picked), last)];
}

double sampling_draw(uint64_t seed, int64_t step) {
  const auto words = philox(seed, static_cast<uint64_t>(step), PhiloxUse::sampling);
  return static_cast<double>((uint64_t{words[0]} << 32 | words[1]) >> 11) * 0x1p-53;
}

double log_sum_exp(std::span<const float> logits) {
  const double top = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

}  // namespace heed
