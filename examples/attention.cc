// Attention alone: one query asks three keys, and the answer mixes their values.

#include <heed/heed.h>

#include <cstdio>

int main() {
  using heed::Tensor;
  const Tensor query = Tensor::from({1, 0, 1}, {1, 1, 1, 3});                   // [B, H, T, D]
  const Tensor keys = Tensor::from({1, 0, 1, 0, 1, 0, 1, 1, 1}, {1, 1, 3, 3});  // [B, H, S, D]
  const Tensor values =
      Tensor::from({10, 20, 30, 1, 2, 3, 5, 10, 15}, {1, 1, 3, 3});  // [B, H, S, E]

  // y = attention(query, keys, values) gives the answer alone, and never makes a T x S matrix
  const auto result = heed::attention_outputs(query, keys, values, {}, {.weights = true});
  for (const float weight : result.weights.span<float>())
    std::printf("weight %.6f\n", static_cast<double>(weight));
  for (const float number : result.y.contiguous().span<float>())
    std::printf("answer %.3f\n", static_cast<double>(number));

  // a mask is a value: here the query sees the first key only
  const Tensor alone = heed::attention(query, keys, values, {.mask = heed::Mask::padding({1})});
  std::printf("seeing one key %.0f\n", static_cast<double>(alone.at({0, 0, 0, 0})));
}
