#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "heed/tensor/named_tensors.h"

namespace heed {

/// Parameters that are updated alike.
struct ParameterGroup {
  NamedTensors
      parameters;  // leaves (autograd/tape.h), f32, contiguous; each name once in all groups
  double rate_factor = 1;   // times the learning rate that step() is given
  double weight_decay = 0;  // adamw, adafactor, lion: decoupled; sgd, adam: L2, in the gradient
};

/// Groups of equal rate factor and decay: tensors of rank 2 and more decay, norms' gains and biases
/// do not. rate_factor gives a parameter's by its name; absent: 1.
std::vector<ParameterGroup> group_parameters(
    const NamedTensors& leaves, double weight_decay,
    const std::function<double(const std::string&)>& rate_factor = {});

/// Layer-wise learning rates: 1 for what follows the layers (head, pooler, last norm), decay^(L -
/// i) for layer i of L (the first number in a name), decay^(L + 1) for what comes before them
/// (embeddings: a name with "embed", "wte", "wpe" or, of T5 and BART, "shared" and no number).
std::function<double(const std::string&)> layer_rates(const NamedTensors& leaves, double decay);

enum class OptimizerKind : uint8_t { sgd, adam, adamw, adafactor, lion };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  double momentum = 0;  // sgd
  bool nesterov = false;
  double beta1 = 0.9;     // adam, adamw, lion, adafactor (there 0: no first moment is kept)
  double beta2 = 0.999;   // adam, adamw, lion
  double epsilon = 1e-8;  // adam, adamw
  // adafactor, whose relative steps are a schedule's matter here
  double decay_rate = 0.8;        // beta2 of update t is 1 - t^-decay_rate
  double clip_threshold = 1;      // of the root mean square of an update
  double square_epsilon = 1e-30;  // added to squared gradients
  double scale_epsilon = 1e-3;    // the least root mean square of weights that scales a rate
  bool scale_parameter = true;    // the rate is times the root mean square of the weights

  /// What their authors use: lion beta2 0.99, adafactor beta1 0.
  static OptimizerOptions defaults(OptimizerKind kind);
};

/// Changes parameters by their gradients, in place: the same bits at any number of threads and on
/// any instruction set. Formulas in docs/math/optimizers.md.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update of every parameter that has a gradient (the others, as in PyTorch, keep weight and
  /// state). Gradients are first multiplied by gradient_factor: clip_factor(), or one over the
  /// number of accumulated batches, at no cost of a pass of their own. They are left as they are.
  void step(double learning_rate, double gradient_factor = 1);

  /// Euclidean norm of all gradients together, summed in f64 in an order that depends on shapes
  /// alone.
  double gradient_norm();
  /// Its square: the sum over all of them.
  double gradient_squares();

  /// All that it knows beside the weights, by name: "<parameter>.exp_avg", "<parameter>.step" and
  /// so on, PyTorch's words. Views: the next step changes them.
  NamedTensors state() const;
  /// Takes what state() gave, bit for bit. Error corrupt_data names what is missing, left over or
  /// of another shape; nothing is changed then.
  void load_state(const NamedTensors& state);

 protected:
  /// A parameter with what is kept for it.
  struct Slot {
    std::string name;
    Tensor weight;
    double rate_factor = 1;
    double weight_decay = 0;
    Tensor steps;        // i64 [1]: updates made
    NamedTensors state;  // contiguous
    Tensor gradient;     // during step(); undefined: none
    int64_t steps_made() const { return *steps.data<int64_t>(); }
  };
  /// Elements [begin, end) of a slot: a task of a size that memory bandwidth is reached with.
  struct Chunk {
    size_t slot;
    int64_t begin, end;
  };

  /// Error invalid_argument for a parameter that is no f32 contiguous leaf or has a name twice.
  explicit Optimizer(const std::vector<ParameterGroup>& groups);
  /// steps_made() counts this update already.
  virtual void update(double learning_rate, float gradient_factor) = 0;
  std::vector<Slot>& slots() { return slots_; }
  const std::vector<Chunk>& chunks() const { return chunks_; }

 private:
  void take_gradients();
  void drop_gradients();
  std::vector<Slot> slots_;
  std::vector<Chunk> chunks_;
  std::vector<double> sums_;  // of chunks
};

/// Error invalid_argument for options or groups that cannot be served.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          const std::vector<ParameterGroup>& groups);

/// What gradients are multiplied by so that their norm is at most most_norm: min(1, most_norm /
/// (norm + 1e-6)), PyTorch's clip_grad_norm_; NaN if the norm is.
double clip_factor(double norm, double most_norm);

}  // namespace heed
