#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Checks the shapes of an operation's tensors against letters (docs/shapes.md), the first use of a
/// letter fixing its size: Dims("attention").bind("q", q, "B H T D").bind("k", k, "B G S D"). A
/// mismatch throws "attention: k must be [B=2, G, S, D=64] but is [2, 2, 128, 60]; D is 64 in q".
class Dims {
 public:
  explicit Dims(std::string_view operation) : operation_(operation) {}

  /// letters: one-letter names (or numbers, which must match) parted by spaces; a leading "..."
  /// stands for any dimensions before them.
  Dims& bind(std::string_view name, const Tensor& tensor, std::string_view letters);
  /// Also checks the dtype.
  Dims& bind(std::string_view name, const Tensor& tensor, std::string_view letters, DType dtype);
  /// Binds a letter that no tensor's dimension has, from what `from` says.
  void set(char letter, int64_t size, std::string from) {
    bound_.push_back({letter, size, std::move(from)});
  }
  /// The size a letter was bound to.
  int64_t operator[](char letter) const;

 private:
  struct Bound {
    char letter;
    int64_t size;
    std::string from;
  };
  const Bound* find(char letter) const;
  std::string describe(std::string_view letters) const;
  [[noreturn]] void refuse(std::string_view name, const Tensor& tensor, std::string_view letters,
                           const std::string& reason) const;
  std::string operation_;
  std::vector<Bound> bound_;
};

}  // namespace heed
