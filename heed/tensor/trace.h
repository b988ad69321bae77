#pragma once

#include <functional>
#include <memory>

namespace heed {

class Tensor;

/// A view of its argument's memory, whatever that holds: x.transpose(0, 1), say.
using View = std::function<Tensor(const Tensor& x)>;

/// How a tensor came about, for whoever records it (heed/autograd). Tensors only hand it on: a view
/// of a traced tensor is traced as that view, a copy as the original.
class Trace {
 public:
  virtual ~Trace() = default;
  /// The trace of view(x), x carrying this one; null where nothing is recorded.
  virtual std::shared_ptr<Trace> of(View view) = 0;
  /// The trace of a contiguous copy of x, which is not contiguous.
  virtual std::shared_ptr<Trace> of_copy(const Tensor& copy) = 0;
};

}  // namespace heed
