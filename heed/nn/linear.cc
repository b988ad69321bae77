#include "heed/nn/linear.h"

#include <algorithm>

#include "heed/base/error.h"
#include "heed/ops/blocks.h"

namespace heed {

LinearWeights::LinearWeights(const Params& params, int64_t inputs, int64_t outputs, bool with_bias)
    : bias(with_bias ? params.tensor("bias", {outputs}) : Tensor()),
      blocks(params.blocks("weight", outputs, inputs)),
      in_place(params.in_place()) {
  if (!blocks) weight = params.tensor("weight", {outputs, inputs});
}

LinearWeights LinearWeights::slice(int64_t begin, int64_t end) const {
  LinearWeights part;
  part.in_place = in_place;
  if (blocks) {
    part.blocks = blocks->slice(begin, end);
  } else {
    part.weight = weight.slice(0, begin, end);
  }
  if (bias) part.bias = bias.slice(0, begin, end);
  return part;
}

Linear::Linear(const std::vector<LinearWeights>& parts) {
  const auto any = [&](const auto& of) { return std::any_of(parts.begin(), parts.end(), of); };
  const bool stays = any([](const LinearWeights& part) {
    return part.in_place || part.weight.traced() || part.bias.traced();
  });
  const bool in_blocks = any([](const LinearWeights& part) { return part.blocks.has_value(); });
  std::vector<Tensor> weights, biases;
  for (const LinearWeights& part : parts) biases.push_back(part.bias);
  if (in_blocks && !stays) {
    std::vector<BlockMatrix> blocks;
    for (const LinearWeights& part : parts) {
      blocks.push_back(part.blocks ? *part.blocks : as_blocks(part.weight));
    }
    blocks_ = BlockLinear(std::move(blocks), biases);
    return;
  }
  for (const LinearWeights& part : parts) {
    weights.push_back(part.blocks ? dequantize(*part.blocks) : part.weight);
  }
  if (stays) {
    weights_ = std::move(weights);
    biases_ = std::move(biases);
  } else {
    product_ = PackedLinear(weights, biases);
  }
}

}  // namespace heed
