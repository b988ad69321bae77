#include "heed/nn/rotary_positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "heed/base/error.h"
#include "heed/ops/chunks.h"

namespace heed {
namespace {

/// Llama 3.1: by how often a pair turns over the original positions.
float by_turns(float frequency, const RotaryScaling& scaling) {
  const auto original = static_cast<float>(scaling.original_positions);
  const auto slow = static_cast<float>(scaling.slow), fast = static_cast<float>(scaling.fast);
  const auto factor = static_cast<float>(scaling.factor);
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  if (wavelength > original / slow) return frequency / factor;
  if (wavelength < original / fast) return frequency;
  const float share = (original / wavelength - slow) / (fast - slow);
  return (1 - share) * frequency / factor + share * frequency;
}

/// The pair, a real number, that turns so often over the original positions.
double pair_of(double turns, int64_t rotary_dim, double base, const RotaryScaling& scaling) {
  const double wavelength = scaling.original_positions / turns;
  return static_cast<double>(rotary_dim) * std::log(wavelength / (2 * std::numbers::pi)) /
         (2 * std::log(base));
}

/// YaRN: pairs up to `low` stay, those from `high` on are divided, those between in part.
void by_ramp(std::vector<float>& frequencies, int64_t rotary_dim, double base,
             const RotaryScaling& scaling) {
  double low = pair_of(scaling.fast, rotary_dim, base, scaling);
  double high = pair_of(scaling.slow, rotary_dim, base, scaling);
  if (scaling.whole_pairs) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rotary_dim - 1));
  if (low == high) high += 0.001;
  const auto factor = static_cast<float>(scaling.factor);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = (static_cast<double>(i) - low) / (high - low);
    const float kept = 1 - static_cast<float>(std::clamp(ramp, 0.0, 1.0));
    frequencies[i] = frequencies[i] / factor * (1 - kept) + frequencies[i] * kept;
  }
}

void check_divisors(const RotaryScaling& scaling, int64_t pairs) {
  if (static_cast<int64_t>(scaling.divisors.size()) == pairs) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("rotary: a divisor for each of {} pairs is needed, found {}", pairs,
                          scaling.divisors.size()));
}

}  // namespace

std::vector<float> scaled_frequencies(int64_t rotary_dim, double base,
                                      const RotaryScaling& scaling) {
  using Kind = RotaryScaling::Kind;
  std::vector<float> frequencies = rotary_frequencies(rotary_dim, static_cast<float>(base));
  if (scaling.kind == Kind::each) check_divisors(scaling, rotary_dim / 2);
  if (scaling.kind == Kind::yarn) by_ramp(frequencies, rotary_dim, base, scaling);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (scaling.kind == Kind::linear) frequencies[i] /= static_cast<float>(scaling.factor);
    if (scaling.kind == Kind::llama3) frequencies[i] = by_turns(frequencies[i], scaling);
    if (scaling.kind == Kind::each) frequencies[i] /= static_cast<float>(scaling.divisors[i]);
  }
  return frequencies;
}

RotaryTable RotaryPositions::operator()(const std::vector<int64_t>& first, int64_t tokens) const {
  const bool alike = std::ranges::adjacent_find(first, std::not_equal_to<>()) == first.end();
  const auto pairs = static_cast<int64_t>(frequencies_.size());
  const int64_t rows = alike ? 1 : static_cast<int64_t>(first.size());
  const Shape shape = alike ? Shape{tokens, pairs} : Shape{rows, tokens, pairs};
  const RotaryTable table{Tensor::empty(shape), Tensor::empty(shape)};
  float* const cosines = table.cosines.data<float>();
  float* const sines = table.sines.data<float>();
  constexpr int64_t kCost = 16;  // a cosine and a sine are worth so many cheap operations
  parallel_rows(rows * tokens, kCost * pairs, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto position = static_cast<float>(first[static_cast<size_t>(i / tokens)] + i % tokens);
      for (int64_t pair = 0; pair < pairs; ++pair) {
        const float angle = position * frequencies_[static_cast<size_t>(pair)];
        cosines[i * pairs + pair] = std::cos(angle) * amplitude_;
        sines[i * pairs + pair] = std::sin(angle) * amplitude_;
      }
    }
  });
  return table;
}

}  // namespace heed
