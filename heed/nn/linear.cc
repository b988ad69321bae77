#include "heed/nn/linear.h"

#include <algorithm>

#include "heed/ops/blocks.h"

namespace heed {

LinearWeights::LinearWeights(const Params& params, int64_t inputs, int64_t outputs, bool with_bias)
    : bias(with_bias ? params.tensor("bias", {outputs}) : Tensor()),
      blocks(params.blocks("weight", outputs, inputs)),
      in_place(params.in_place()) {
  if (!blocks) weight = params.tensor("weight", {outputs, inputs});
}

LinearWeights LinearWeights::slice(const std::shared_ptr<const LinearWeights>& whole, int64_t begin,
                                   int64_t end) {
  if (begin == 0 && end == whole->outputs()) return *whole;
  LinearWeights part;
  part.in_place = whole->in_place;
  part.whole_ = whole;
  part.first_ = begin;
  if (whole->blocks) {
    part.blocks = whole->blocks->slice(begin, end);
  } else {
    part.weight = whole->weight.slice(0, begin, end);
  }
  if (whole->bias) part.bias = whole->bias.slice(0, begin, end);
  return part;
}

std::vector<LinearWeights> LinearWeights::split(int64_t parts) const {
  const auto whole = std::make_shared<const LinearWeights>(*this);
  const int64_t each = outputs() / parts;
  std::vector<LinearWeights> result;
  for (int64_t i = 0; i < parts; ++i) result.push_back(slice(whole, i * each, (i + 1) * each));
  return result;
}

std::vector<LinearWeights> joined(const std::vector<LinearWeights>& parts) {
  std::vector<LinearWeights> result;
  for (const LinearWeights& part : parts) {
    LinearWeights* const last = result.empty() ? nullptr : &result.back();
    if (last != nullptr && part.whole_ != nullptr && last->whole_ == part.whole_ &&
        last->first_ + last->outputs() == part.first_) {
      *last = LinearWeights::slice(part.whole_, last->first_, part.first_ + part.outputs());
    } else {
      result.push_back(part);
    }
  }
  return result;
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
