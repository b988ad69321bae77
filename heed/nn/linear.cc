#include "heed/nn/linear.h"

namespace heed {

Linear::Linear(const std::vector<LinearWeights>& parts) {
  bool traced = false;
  for (const LinearWeights& part : parts) {
    traced = traced || part.weight.traced() || part.bias.traced();
    weights_.push_back(part.weight);
    biases_.push_back(part.bias);
  }
  if (traced) return;
  product_ = PackedLinear(weights_, biases_);
  weights_.clear();
  biases_.clear();
}

}  // namespace heed
