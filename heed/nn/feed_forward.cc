#include "heed/nn/feed_forward.h"

#include "heed/ops/elementwise.h"
#include "heed/ops/feed_forward.h"

namespace heed {

Tensor FeedForward::operator()(const Tensor& x, const Run& run) const {
  const Dropout dropout = run.dropout(&DropoutRates::feed_forward);
  if (widen_.trained() && narrow_.trained()) {
    const LinearWeights first = widen_.trained_weights(), second = narrow_.trained_weights();
    return feed_forward(x, {first.weight, first.bias, second.weight, second.bias}, activation_,
                        dropout);
  }
  return narrow_(heed::dropout(widen_(x, activation_), dropout));
}

}  // namespace heed
