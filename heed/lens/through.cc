#include "heed/lens/through.h"

#include "heed/base/error.h"
#include "heed/lens/flow.h"

namespace heed {

Look with_norms(Look look) {
  HEED_ASSERT(look.weights && look.value_norms);
  const int64_t keys = look.keys(), all = look.tokens() * keys;
  look.weights = look.weights.clone();  // copies of a look share them
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    for (int64_t head = 0; head < look.heads(); ++head) {
      const float* norms = &look.value_norms.at({layer, head, 0});
      float* weight = &look.weights.at({layer, head, 0, 0});
      for (int64_t i = 0; i < all; ++i) weight[i] *= norms[i % keys];
    }
  }
  return look;
}

Look with_rollout(Look look) {
  HEED_ASSERT(look.weights);
  look.weights = attention_rollout(look.weights).unsqueeze(1);  // [L, 1, T, T]
  return look;
}

std::vector<float> word_flow(const Look& look, int64_t layer, int64_t word) {
  HEED_ASSERT(look.weights);
  const Tensor below = look.weights.slice(0, 0, layer + 1);
  const Span& pieces = look.words[static_cast<size_t>(word)].pieces;
  std::vector<float> out(look.words.size());
  for (int64_t t = pieces.start; t < pieces.end; ++t) {
    const Tensor flow = attention_flow(below, t);
    for (size_t w = 0; w < out.size(); ++w) {
      const Span& to = look.words[w].pieces;
      for (int64_t s = to.start; s < to.end; ++s) {
        out[w] += flow.at({s}) / static_cast<float>(pieces.end - pieces.start);
      }
    }
  }
  return out;
}

}  // namespace heed
