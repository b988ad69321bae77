// What the README promises of the installed library: attention from one include.
#include <heed/heed.h>

#include <cmath>
#include <cstdio>

int main() {
  using heed::Tensor;
  // "river bank money" of the lesson: the query bank against the keys river and money.
  const Tensor query = Tensor::from({.8F, .2F}, {1, 1, 1, 2});
  const Tensor keys = Tensor::from({.9F, .1F, .1F, .9F}, {1, 1, 2, 2});
  const auto out = heed::attention_outputs(query, keys, keys, {.scale = 1.0F}, {.weights = true});
  const float river = out.weights.at({0, 0, 0, 0});
  std::printf("bank looks at river: %.6f\n", static_cast<double>(river));
  try {
    heed::attention(query, keys.slice(3, 0, 1), keys);
  } catch (const heed::Error& error) {
    std::printf("and says what is wrong: %s\n", error.what());
    return std::abs(river - .617748F) < 1e-6F ? 0 : 1;
  }
  return 1;
}
