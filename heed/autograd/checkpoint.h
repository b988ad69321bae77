#pragma once

#include <functional>
#include <vector>

#include "heed/autograd/tape.h"

namespace heed {

/// Part of a model: from inputs, and whatever it captured, to one result.
using Block = std::function<Tensor(const std::vector<Tensor>& inputs)>;

/// block(inputs), of which backward keeps the inputs alone: it computes the block again (Chen et
/// al., "Training deep nets with sublinear memory cost", 2016), with the same bits if the block
/// gives the same for the same inputs. What the block captured must live until backward; what of it
/// is traced, leaves or results that several blocks may share, gets its gradients too.
Tensor checkpoint(const Block& block, const std::vector<Tensor>& inputs);

}  // namespace heed
