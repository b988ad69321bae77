#pragma once

#include <cstdint>
#include <memory>

namespace heed::kernels {

/// W [N, K] and b [N] of y = x W^T + b in the order the product reads them: panels of kPanel
/// outputs, each K rows of kPanel floats side by side. Outputs past N hold zeros. The layout is the
/// same on every instruction set: kPanel is three AVX-512 vectors, six AVX2 or twelve NEON ones.
class PackedMatrix {
 public:
  static constexpr int64_t kPanel = 48;

  /// All zeros. Throws Error out_of_memory with the size.
  PackedMatrix(int64_t outputs, int64_t inputs);

  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }
  int64_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }
  /// [K, kPanel], 64-byte aligned.
  const float* panel(int64_t index) const { return weights_.get() + index * inputs_ * kPanel; }
  /// [panels * kPanel].
  const float* bias() const { return bias_.get(); }

  /// Rows [first, first + count) of W from count rows of K floats, `stride` floats apart. Threads
  /// may pack different rows at once.
  void set_rows(int64_t first, int64_t count, const float* rows, int64_t stride);
  /// The same rows, back to where they came from.
  void get_rows(int64_t first, int64_t count, float* rows, int64_t stride) const;
  void set_bias(int64_t first, int64_t count, const float* bias);

 private:
  struct Free {
    void operator()(float* block) const;
  };
  using Block = std::unique_ptr<float[], Free>;
  static Block allocate(int64_t floats);
  /// f(row, k, where) for every k of outputs first + row, row < count.
  template <class F>
  void for_columns(int64_t first, int64_t count, const F& f) const;

  int64_t outputs_;
  int64_t inputs_;
  Block weights_;
  Block bias_;
};

}  // namespace heed::kernels
