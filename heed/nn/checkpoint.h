#pragma once

#include <functional>
#include <vector>

#include "heed/nn/run.h"
#include "heed/ops/mask.h"
#include "heed/ops/rotary.h"

namespace heed {

using RunBlock = std::function<Tensor(const std::vector<Tensor>& inputs, const Run& run)>;

/// block(inputs, run), computed again in backward from the inputs alone, in the same precision and
/// with the same numbers dropped. As heed/autograd/checkpoint.h says, what the block captured must
/// live until then.
Tensor recomputed(const RunBlock& block, const std::vector<Tensor>& inputs, const Run& run);

/// A layer's block(x, mask, run); recomputed where the run asks for that (Training::recompute). The
/// layer must live until backward.
template <class Layer>
Tensor through_block(const Layer& block, const Tensor& x, const Mask& mask, const Run& run) {
  if (run.training == nullptr || !run.training->recompute) return block(x, mask, run);
  return recomputed([&block, mask](const std::vector<Tensor>& inputs,
                                   const Run& its) { return block(inputs[0], mask, its); },
                    {x}, run);
}

/// The same of a block(x, angles, mask, run) with rotary positions.
template <class Layer>
Tensor through_block(const Layer& block, const Tensor& x, const RotaryTable& angles,
                     const Mask& mask, const Run& run) {
  if (run.training == nullptr || !run.training->recompute) return block(x, angles, mask, run);
  return recomputed(
      [&block, angles, mask](const std::vector<Tensor>& inputs, const Run& its) {
        return block(inputs[0], angles, mask, its);
      },
      {x}, run);
}

/// The same of a decoder's block(x, memory, mask, memory_mask, run).
template <class Layer>
Tensor through_block(const Layer& block, const Tensor& x, const Tensor& memory, const Mask& mask,
                     const Mask& memory_mask, const Run& run) {
  if (run.training == nullptr || !run.training->recompute) {
    return block(x, memory, mask, memory_mask, run);
  }
  return recomputed(
      [&block, mask, memory_mask](const std::vector<Tensor>& inputs, const Run& its) {
        return block(inputs[0], inputs[1], mask, memory_mask, its);
      },
      {x, memory}, run);
}

/// All blocks of a stack, one after the other; what else they take is the same for each. The run's
/// observer sees what reaches each of them.
template <class Layer, class... Inputs>
Tensor through_blocks(const std::vector<Layer>& blocks, Tensor x, const Run& run,
                      const Inputs&... inputs) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    run.reached(layer, x);
    x = through_block(blocks[i], x, inputs..., run.at(layer));
  }
  return x;
}

}  // namespace heed
