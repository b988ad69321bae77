#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/io/safetensors.h"
#include "heed/tensor/block_matrix.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// Where layers get their weights, by path: params / "encoder" / "layer" / 0 then tensor("weight",
/// {C}). Copies share one record of what was asked for. Safe to use from many threads.
class Params {
 public:
  /// Serves a tensor by its full name; returns an undefined Tensor if there is none.
  class Source {
   public:
    virtual ~Source() = default;
    virtual Tensor find(const std::string& name) const = 0;
    /// The matrix of that name if products should read it as it is stored (quantised weights, which
    /// find() then need not know; a file's 16-bit ones).
    virtual std::optional<BlockMatrix> blocks(const std::string& /*name*/) const { return {}; }
    /// Makes one that is asked for and not there, if the source makes any; else undefined.
    virtual Tensor create(const std::string& /*name*/, const Shape& /*shape*/) const { return {}; }
    /// Every name, sorted; for error messages and for unused().
    virtual std::vector<std::string> names() const = 0;
    /// What messages call it: a path, "a map".
    virtual std::string describe() const = 0;
    /// Whether products read the tensors where they lie, since others write to them or a model is
    /// made of them often (parameters in training); else they read copies that are packed once.
    virtual bool in_place() const { return false; }
    /// The tensor's data were copied: memory that only caches a file may go.
    virtual void release(const std::string& /*name*/) const {}
  };

  explicit Params(std::shared_ptr<const Source> source);
  /// Weights of a checkpoint, mapped, not read.
  static Params from(const Checkpoint& checkpoint, const std::string& description);
  static Params from(std::map<std::string, Tensor> tensors);

  /// What serves the weights; for sources that change what another serves.
  const std::shared_ptr<const Source>& source() const;

  Params operator/(std::string_view part) const;
  Params operator/(int64_t index) const;

  /// The weight prefix.name as stored with that shape. Error not_found names the full path and the
  /// closest names there are; Error corrupt_data names needed and found shapes; Error unsupported
  /// names a dtype that Heed does not compute (f32, bf16 and f16 it does). Quantised weights are
  /// given as f32, in memory of their own.
  Tensor tensor(std::string_view name, const Shape& shape) const;
  /// The same, undefined if absent.
  Tensor maybe(std::string_view name, const Shape& shape) const;
  /// The matrix prefix.name [N, K] as it is stored, where the source serves it so; absent
  /// otherwise. Error corrupt_data as above. Its memory is kept by release().
  std::optional<BlockMatrix> blocks(std::string_view name, int64_t rows, int64_t columns) const;
  bool contains(std::string_view name) const;
  /// The source's.
  bool in_place() const { return source()->in_place(); }
  const std::string& prefix() const { return prefix_; }

  /// Says that the weights asked for under this path were copied (packed), so that the pages of
  /// the file they came from need not stay in memory. Views of them stay valid.
  void release() const;
  /// Whether a weight that was asked for, under any path, is a parameter in training.
  bool trained() const;
  /// Names under this path that nobody asked for.
  std::vector<std::string> unused() const;

 private:
  struct State;
  std::string full_name(std::string_view name) const;
  /// Notes that the weight is used.
  Tensor given(const std::string& full, const Tensor& weight) const;
  void check_shape(const std::string& full, const Shape& needed, const Shape& found) const;
  bool covers(std::string_view full) const;
  std::shared_ptr<State> state_;
  std::string prefix_;
};

}  // namespace heed
