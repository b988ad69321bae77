#include "heed/nn/checkpoint.h"

#include <memory>

#include "heed/autograd/checkpoint.h"
#include "heed/base/error.h"
#include "heed/ops/precision.h"

namespace heed {

Tensor recomputed(const RunBlock& block, const std::vector<Tensor>& inputs, const Run& run) {
  HEED_ASSERT(run.training != nullptr);
  const auto drawn = std::make_shared<uint64_t>(0);
  const auto again = [=, before = *run.training,
                      precision = compute_precision()](const std::vector<Tensor>& in) {
    const ComputePrecision same(precision);  // backward may run outside of the forward's scope
    Training training = before;              // each time from the same random numbers
    Run its = run;
    its.training = &training;
    const Tensor y = block(in, its);
    *drawn = training.drawn;
    return y;
  };
  const Tensor y = checkpoint(again, inputs);
  run.training->drawn = *drawn;
  return y;
}

}  // namespace heed
