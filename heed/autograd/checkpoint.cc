#include "heed/autograd/checkpoint.h"

namespace heed {
namespace {

/// The block once more, recorded from leaves in the inputs' places, and back through that alone:
/// other blocks may have taken what was computed before it too.
void backward_again(const Block& block, const std::vector<Tensor>& inputs, const Tensor& dy,
                    Gradients& to) {
  const Recording on;
  const uint64_t before = recorded_so_far();
  std::vector<Tensor> again;
  for (size_t i = 0; i < inputs.size(); ++i) {
    again.push_back(to.wants(i) ? leaf(inputs[i]) : inputs[i]);
  }
  const Tensor y = block(again);
  if (!y.traced()) return;
  backward(y, dy, {}, before);
  for (size_t i = 0; i < again.size(); ++i) {
    if (!to.wants(i)) continue;
    const Tensor found = gradient(again[i]);
    clear_gradient(again[i]);  // `to` may keep it as its own
    if (found.defined()) to.add(i, found);
  }
}

}  // namespace

Tensor checkpoint(const Block& block, const std::vector<Tensor>& inputs) {
  if (!recording()) return block(inputs);
  std::vector<Tensor> plain;
  for (const Tensor& input : inputs) plain.push_back(input.detach());
  Tensor y;
  Taken captured;
  {
    const NoGrad off;
    y = block(plain);
  }
  // recorded whatever the inputs are: what the block captured may be traced
  return record(
      y, inputs,
      [block, plain](const Tensor& dy, Gradients& to) { backward_again(block, plain, dy, to); },
      std::move(captured).traces());
}

}  // namespace heed
