#include "heed/tasks/pooling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 6> kNames = {
    "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"};

/// out = sum over t of weight(t) * tokens[t], over `divisor`.
template <class Weight>
void weighted_sum(std::span<float> out, const float* tokens, int64_t length, Weight weight,
                  float divisor) {
  std::ranges::fill(out, 0.0f);
  for (int64_t t = 0; t < length; ++t) {
    const float w = weight(t);
    for (float& value : out) value += w * *tokens++;
  }
  for (float& value : out) value /= divisor;
}

void maximum(std::span<float> out, const float* tokens, int64_t length) {
  std::copy_n(tokens, out.size(), out.begin());
  for (int64_t t = 1; t < length; ++t) {
    const float* row = tokens + t * static_cast<int64_t>(out.size());
    for (size_t c = 0; c < out.size(); ++c) out[c] = std::max(out[c], row[c]);
  }
}

/// tokens: `length` rows of out.size() numbers, the first of them at place `first` of its text.
void pool_text(std::span<float> out, const float* tokens, int64_t length, int64_t first,
               Pooling way) {
  const auto once = [](int64_t) { return 1.0f; };
  const auto n = static_cast<float>(length);
  switch (way) {
    case Pooling::cls:
      std::copy_n(tokens, out.size(), out.begin());
      return;
    case Pooling::lasttoken:
      std::copy_n(tokens + (length - 1) * static_cast<int64_t>(out.size()), out.size(),
                  out.begin());
      return;
    case Pooling::max:
      return maximum(out, tokens, length);
    case Pooling::mean:
      return weighted_sum(out, tokens, length, once, n);
    case Pooling::mean_sqrt_len_tokens:
      return weighted_sum(out, tokens, length, once, std::sqrt(n));
    case Pooling::weightedmean:
      return weighted_sum(
          out, tokens, length, [&](int64_t t) { return static_cast<float>(first + t + 1); },
          n * (n + 1) / 2 + n * static_cast<float>(first));
  }
}

}  // namespace

Pooling pooling_from_name(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) {
    throw Error(ErrorCode::unsupported, fmt::format("pooling: must be one of {} but is \"{}\"",
                                                    fmt::join(kNames, ", "), name));
  }
  return static_cast<Pooling>(found - kNames.begin());
}

std::string_view to_string(Pooling pooling) { return kNames.at(static_cast<size_t>(pooling)); }

Tensor pool(const Tensor& state, const std::vector<int64_t>& lengths,
            const std::vector<Pooling>& ways, int64_t skipped) {
  Dims dims("pool");
  dims.bind("state", state, "B T C", DType::f32);
  const int64_t width = dims['C'], count = static_cast<int64_t>(ways.size());
  const bool fits =
      static_cast<int64_t>(lengths.size()) == dims['B'] &&
      std::ranges::all_of(lengths, [&](int64_t n) { return n > skipped && n <= dims['T']; });
  if (!fits) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("pool: lengths must be {} numbers from {} to {} but are [{}]",
                            dims['B'], skipped + 1, dims['T'], fmt::join(lengths, ", ")));
  }
  const Tensor rows = state.contiguous();
  Tensor result = Tensor::empty({dims['B'], count * width});
  parallel_for(dims['B'], [&](int64_t b, int) {
    const float* tokens = rows.data<float>() + (b * dims['T'] + skipped) * width;
    for (int64_t i = 0; i < count; ++i) {
      float* out = result.data<float>() + (b * count + i) * width;
      pool_text({out, static_cast<size_t>(width)}, tokens,
                lengths[static_cast<size_t>(b)] - skipped, skipped, ways[static_cast<size_t>(i)]);
    }
  });
  return result;
}

void normalize_rows(const Tensor& x) {
  Dims("normalize").bind("x", x, "B C", DType::f32);
  const auto width = static_cast<size_t>(x.size(1));
  for (int64_t b = 0; b < x.size(0); ++b) {
    const std::span<float> row = x.span<float>().subspan(static_cast<size_t>(b) * width, width);
    double squares = 0;
    for (const float value : row) squares += static_cast<double>(value) * value;
    const auto length = static_cast<float>(std::max(std::sqrt(squares), 1e-12));
    for (float& value : row) value /= length;
  }
}

}  // namespace heed
