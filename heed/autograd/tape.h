#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

// Reverse-mode differentiation: operations record how a gradient of their result becomes gradients
// of their inputs, backward() runs the records from the last to the first (Baydin et al.,
// "Automatic differentiation in machine learning: a survey", 2018, sec. 3.2). Gradients are f32
// whatever the tensor's dtype. One thread records and runs a graph; operations use all of them.

/// Where an operation's backward puts gradients of its inputs.
class Gradients {
 public:
  virtual ~Gradients() = default;
  /// Whether input i needs a gradient.
  virtual bool wants(size_t i) const = 0;
  /// Adds gradient, f32 and of input i's shape, any strides; nothing if input i needs none. A
  /// tensor laid out as the input is kept, not copied: it must not be written to afterwards.
  virtual void add(size_t i, const Tensor& gradient) = 0;
  /// The sum of what was added for input i so far (zeros at first), of input i's shape, to be added
  /// to in place before backward returns: for operations that touch few of its elements. Undefined
  /// if input i needs no gradient.
  virtual Tensor sums(size_t i) = 0;
  /// Where these inputs are views that share out one result among them, which has no gradient yet:
  /// places for theirs, each of its input's shape, all of which have to be written before backward
  /// returns, instead of being added. Else nothing.
  virtual std::vector<Tensor> places(const std::vector<size_t>& inputs) = 0;
};

/// From dy, the gradient of an operation's result (f32, laid out in memory as the result; must not
/// be written to), to gradients of its inputs. What it captures is what the operation keeps for
/// backward. Runs at most once, with recording off.
using Backward = std::function<void(const Tensor& dy, Gradients& to)>;

/// Told of a leaf, by its trace, when its gradient is final: nothing that backward has still to run
/// adds to it.
using LeafDone = std::function<void(const Trace& leaf)>;

/// Whether an operation on these tensors (undefined ones allowed) has to be recorded: recording is
/// on in this thread and one of them is traced.
bool recording(std::initializer_list<const Tensor*> inputs);
bool recording(const std::vector<Tensor>& inputs);
/// Whether recording is on in this thread.
bool recording();

/// y, traced as the result of an operation on inputs. y must fill a block of memory of its own, in
/// any order of dimensions. backward must capture no traced tensor that came from y. also: traces
/// of what backward hands gradients to by itself, beside the inputs: leaves, and results that go on
/// from there when all that took them is done.
Tensor record(const Tensor& y, const std::vector<Tensor>& inputs, Backward backward,
              std::vector<std::shared_ptr<Trace>> also = {});

/// A parameter: the same elements, whose gradients are kept and summed up until they are cleared.
Tensor leaf(const Tensor& x);
/// What backward() left for this leaf (laid out as it), undefined where nothing came. It stays as
/// it is when more arrives. Error invalid_argument if x is no leaf.
Tensor gradient(const Tensor& x);
void clear_gradient(const Tensor& x);

/// Gradients of a loss (one element) for every leaf it came from; frees what was kept for it. Error
/// invalid_argument if the loss is not one element, was not recorded, or was used already.
void backward(const Tensor& loss);
/// The same from dy, the gradient of any y, of its shape. done is told once of each leaf that y
/// came from, as early as the graph allows. What was recorded before `place` keeps the gradients
/// that reach it and hands nothing on.
void backward(const Tensor& y, const Tensor& dy, const LeafDone& done = {}, uint64_t place = 0);
/// A place in the order of what is recorded: what comes from now on lies behind it.
uint64_t recorded_so_far();

/// While one lives, this thread records nothing.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
};

/// While one lives, notes what operations on this thread take that is traced, although nothing is
/// recorded: what they would hand gradients to if they were run again.
class Taken {
 public:
  Taken();
  ~Taken();
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  void note(const std::shared_ptr<Trace>& trace);
  /// Each once, in the order in which they were taken first.
  std::vector<std::shared_ptr<Trace>> traces() && { return std::move(traces_); }

 private:
  Taken* before_;
  std::vector<std::shared_ptr<Trace>> traces_;
};

/// While one lives, this thread records, inside of a backward step too.
class Recording {
 public:
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  int off_before_;
};

}  // namespace heed
