#include "heed/lessons/arithmetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace heed::lessons_internal {

Labels words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  Labels words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Labels numbered(std::string_view prefix, int64_t count) {
  Labels labels;
  for (int64_t i = 1; i <= count; ++i) labels.push_back(fmt::format("{}{}", prefix, i));
  return labels;
}

Attended attend(const Tensor& q, const Tensor& k, const Tensor& v,
                const AttentionOptions& options) {
  const AttentionOutputs outputs =
      attention_outputs(split_heads(q, 1), split_heads(k, 1), split_heads(v, 1), options,
                        {.weights = true, .scores = true});
  return {outputs.y.select(0, 0).select(0, 0).contiguous(),
          outputs.weights.select(0, 0).select(0, 0), outputs.scores.select(0, 0).select(0, 0)};
}

Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.contiguous().reshape({1, x.size(0), heads, x.size(1) / heads}).transpose(1, 2);
}

Tensor map2(const Tensor& a, const Tensor& b, const std::function<float(float, float)>& f) {
  Tensor result = a.clone();
  const Tensor other = b.expand(a.shape()).contiguous();
  std::ranges::transform(result.span<float>(), other.span<float>(), result.span<float>().begin(),
                         f);
  return result;
}

Tensor map(const Tensor& a, const std::function<float(float)>& f) {
  Tensor result = a.clone();
  std::ranges::transform(result.span<float>(), result.span<float>().begin(), f);
  return result;
}

Tensor row_sums(const Tensor& a) {
  Tensor sums = Tensor::zeros({a.size(0), 1});
  for (int64_t r = 0; r < a.size(0); ++r) {
    for (int64_t c = 0; c < a.size(1); ++c) sums.at({r, 0}) += a.at({r, c});
  }
  return sums;
}

int64_t largest(const Tensor& row) {
  const Tensor values = row.contiguous();
  return std::ranges::max_element(values.span<float>()) - values.span<float>().begin();
}

Tensor stack_rows(const std::vector<Tensor>& parts) {
  int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.size(0);
  Tensor result = Tensor::empty({rows, parts[0].size(1)});
  float* to = result.data<float>();
  for (const Tensor& part : parts) {
    to = std::ranges::copy(part.contiguous().span<float>(), to).out;
  }
  return result;
}

Tensor stack_columns(const std::vector<Tensor>& parts) {
  std::vector<Tensor> turned;
  for (const Tensor& part : parts) turned.push_back(part.transpose(0, 1));
  return stack_rows(turned).transpose(0, 1).contiguous();
}

Tensor rand(TorchRandom& random, const Shape& shape) {
  Tensor result = Tensor::empty(shape);
  random.rand(result.span<float>());
  return result;
}

Tensor randn(TorchRandom& random, const Shape& shape) {
  Tensor result = Tensor::empty(shape);
  random.randn(result.span<float>());
  return result;
}

namespace {

Tensor linear_numbers(TorchRandom& random, const Shape& shape, int64_t inputs) {
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  Tensor result = Tensor::empty(shape);
  random.uniform(result.span<float>(), -bound, bound);
  return result;
}

}  // namespace

Tensor linear_weight(TorchRandom& random, int64_t inputs, int64_t outputs) {
  return linear_numbers(random, {outputs, inputs}, inputs);
}

Tensor linear_bias(TorchRandom& random, int64_t inputs, int64_t outputs) {
  return linear_numbers(random, {outputs}, inputs);
}

}  // namespace heed::lessons_internal
