#include "heed/nn/feed_forward.h"

#include "heed/ops/elementwise.h"
#include "heed/ops/feed_forward.h"

namespace heed {

Tensor FeedForward::operator()(const Tensor& x, const Run& run) const {
  if (widen_.in_place() && narrow_.in_place()) {
    const LinearWeights first = widen_.weights_in_place(), second = narrow_.weights_in_place();
    const int64_t per_row = numbers_per_row(x) / x.size(-1) * first.weight.size(0);
    return feed_forward(x, {first.weight, first.bias, second.weight, second.bias}, activation_,
                        run.dropout(&DropoutRates::feed_forward, per_row));
  }
  const Tensor hidden = widen_(x, activation_);
  return narrow_(
      heed::dropout(hidden, run.dropout(&DropoutRates::feed_forward, numbers_per_row(hidden))));
}

Tensor GatedFeedForward::operator()(const Tensor& x, const Run& run) const {
  const Tensor hidden = gated(gate_and_up_(x), activation_);
  return down_(
      heed::dropout(hidden, run.dropout(&DropoutRates::feed_forward, numbers_per_row(hidden))));
}

}  // namespace heed
