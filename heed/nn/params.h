#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "heed/tensor/tensor.h"

namespace heed {

/// Where layers get their weights, by path: params / "encoder" / "layer" / 0 then tensor("weight",
/// {C}).
class Params {
 public:
  /// Serves a tensor by its full name; returns an undefined Tensor if there is none.
  class Source {
   public:
    virtual ~Source() = default;
    virtual Tensor find(const std::string& name) const = 0;
  };

  explicit Params(std::shared_ptr<const Source> source) : source_(std::move(source)) {}

  Params operator/(std::string_view part) const;
  Params operator/(int64_t index) const;

  /// The weight prefix.name as f32-or-as-stored with that shape. Error not_found names the full
  /// path; Error corrupt_data names needed and found shapes.
  Tensor tensor(std::string_view name, const Shape& shape) const;
  /// The same, undefined if absent.
  Tensor maybe(std::string_view name, const Shape& shape) const;
  bool contains(std::string_view name) const;
  const std::string& prefix() const { return prefix_; }

 private:
  std::shared_ptr<const Source> source_;
  std::string prefix_;
};

}  // namespace heed
