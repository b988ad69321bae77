#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heed/nn/params.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

/// How a parameter starts that no checkpoint gives.
struct Init {
  enum class Kind : uint8_t { zeros, ones, normal, uniform };
  Kind kind = Kind::zeros;
  float size = 0;  // standard deviation, or the bound of [-bound, bound)

  static Init zeros() { return {}; }
  static Init ones() { return {Kind::ones}; }
  static Init normal(float deviation) { return {Kind::normal, deviation}; }
  static Init uniform(float bound) { return {Kind::uniform, bound}; }
  /// Glorot and Bengio, 2010, eq. 16: a bound of sqrt(6 / (rows + columns)) for a matrix [N, K].
  static Init xavier_uniform(const Shape& shape);
};

/// A model's rule, by a parameter's full name: "h.0.attn.c_proj.weight".
using InitRule = std::function<Init(std::string_view name, const Shape& shape)>;

struct ParameterOptions {
  /// For what is asked for and not there; without it that is an Error.
  InitRule init = {};
  uint64_t seed = 0;
  /// Names whose parameters get no gradient; none: all are trained.
  std::function<bool(std::string_view name)> frozen = {};
  /// Names that no rule starts: asked for and not there they are an Error; none: the rule serves
  /// all.
  std::function<bool(std::string_view name)> needed = {};
  std::string where = "the parameters";  // what an Error calls them
};

/// Parameters in training, by the names of a checkpoint: f32, each in memory of its own, leaves of
/// the tape but for the frozen ones. A model built from params() uses these very tensors, so what
/// an optimiser writes into them the model sees; the same name asked for twice is one parameter
/// (tied weights). Copies share the parameters.
class ParameterStore {
 public:
  /// None yet: with a rule, a model that is built from params() makes those it asks for. A value
  /// is a function of the seed, the name and the shape alone.
  explicit ParameterStore(ParameterOptions options = {});
  /// Copies of a checkpoint's tensors of real numbers (f64, f32, bf16, f16); others are left out.
  explicit ParameterStore(const Checkpoint& checkpoint, ParameterOptions options = {});
  explicit ParameterStore(const std::map<std::string, Tensor>& tensors,
                          ParameterOptions options = {});

  /// For the models' constructors.
  Params params() const;

  /// Every name, sorted.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  /// Error not_found names close ones.
  Tensor operator[](const std::string& name) const;
  /// Those with gradients (heed/autograd/tape.h), in name order: what an optimiser updates.
  NamedTensors trained() const;
  /// All, untraced, in name order: what write_safetensors writes.
  NamedTensors tensors() const;
  /// Numbers in all of them.
  int64_t numel() const;

  /// Writes a parameter's numbers anew (of any float dtype), in place. Error not_found,
  /// invalid_argument for another shape.
  void assign(const std::string& name, const Tensor& values) const;
  /// Forgets the gradients of all.
  void clear_gradients() const;

 private:
  class Leaves;
  std::shared_ptr<Leaves> leaves_;
};

}  // namespace heed
