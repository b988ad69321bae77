#include "heed/generate/stepper.h"

#include <algorithm>

namespace heed {
namespace {

/// The state of each row's last real token: states [R, T, C] -> [R, C].
Tensor last_states(const Tensor& states, const std::vector<int64_t>& lengths) {
  const int64_t width = states.size(2);
  Tensor last = Tensor::empty({states.size(0), width});
  for (int64_t r = 0; r < states.size(0); ++r) {
    const Tensor state = states.select(0, r).select(0, lengths[static_cast<size_t>(r)] - 1);
    std::copy_n(state.data<float>(), width, last.data<float>() + r * width);
  }
  return last;
}

}  // namespace

Tensor MemoryStepper::next(const std::vector<std::vector<int32_t>>& rows,
                           std::span<const int64_t> /*parents*/) {
  const EncoderInput input = EncoderInput::from_rows(rows);
  const Tensor states =
      model_->decode(input.ids, memory_.repeated(static_cast<int64_t>(rows.size())));
  return model_->logits(last_states(states, input.lengths));
}

}  // namespace heed
