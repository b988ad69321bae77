#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "heed/tensor/dtype.h"
#include "heed/tensor/shape.h"
#include "heed/tensor/storage.h"
#include "heed/tensor/trace.h"

namespace heed {

/// A view of elements in shared storage: shape, strides (in elements) and dtype. Copying a Tensor
/// copies the view, never the elements. Like a pointer, a const Tensor gives write access to what
/// it views. Arithmetic lives in heed/ops.
class Tensor {
 public:
  /// No storage: defined() is false. Stands for "absent".
  Tensor() = default;

  /// Uninitialised, contiguous, 64-byte aligned.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32);
  static Tensor full(const Shape& shape, float value);
  /// A copy of values in row-major order; Error invalid_argument if their count is not
  /// shape.numel().
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  static Tensor from(std::initializer_list<float> values, const Shape& shape) {
    return from(std::span<const float>(values.begin(), values.size()), shape);
  }
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  /// A contiguous view of storage at offset_bytes, which must be a multiple of the element size.
  static Tensor view(std::shared_ptr<Storage> storage, int64_t offset_bytes, const Shape& shape,
                     DType dtype);

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int rank() const { return shape_.rank(); }
  int64_t size(int dim) const { return shape_[dim]; }
  int64_t stride(int dim) const { return strides_[dim]; }
  int64_t numel() const { return shape_.numel(); }
  DType dtype() const { return dtype_; }
  bool is_contiguous() const;

  /// First element; asserts that T is the tensor's dtype.
  template <class T>
  T* data() const;
  std::byte* raw_data() const;
  /// All elements in order; asserts is_contiguous().
  template <class T>
  std::span<T> span() const;
  /// One element by its indices (tests, printing: not for hot loops).
  template <class T = float>
  T& at(std::initializer_list<int64_t> indices) const;

  /// The same elements under another shape; asserts contiguity where the strides cannot follow. One
  /// size may be -1: it is what is left.
  Tensor reshape(const Shape& shape) const;
  /// Dimensions a and b exchanged.
  Tensor transpose(int a, int b) const;
  /// Elements [begin, end) of a dimension.
  Tensor slice(int dim, int64_t begin, int64_t end) const;
  /// Element i of a dimension, which goes away.
  Tensor select(int dim, int64_t i) const;
  /// A new dimension of size 1 before dim.
  Tensor unsqueeze(int dim) const;
  /// Broadcast: dimensions of size 1 repeat (stride 0), leading ones are added; Error if sizes
  /// disagree.
  Tensor expand(const Shape& shape) const;
  /// Any view of the storage from this tensor's first element on; asserts that it stays inside.
  /// Not traced.
  Tensor as_strided(const Shape& shape, const Shape& strides) const;
  /// This tensor if contiguous, else a contiguous copy.
  Tensor contiguous() const;
  /// A contiguous copy.
  Tensor clone() const;
  /// This tensor if it has that dtype, else a contiguous copy converted through f32 (f64, f32,
  /// bf16, f16 only).
  Tensor to(DType dtype) const;

  bool traced() const { return trace_ != nullptr; }
  const std::shared_ptr<Trace>& trace() const { return trace_; }
  Tensor with_trace(std::shared_ptr<Trace> trace) const;
  /// The same view, as if it came from nowhere.
  Tensor detach() const { return with_trace(nullptr); }
  /// No other tensor shares the storage: what is written here is seen nowhere else.
  bool unique() const { return storage_.use_count() == 1; }

 private:
  std::byte* element(std::initializer_list<int64_t> indices) const;
  void expect_dtype(DType dtype) const;
  void expect_contiguous() const;
  template <class F>
  Tensor viewed_as(Tensor view, const F& how) const;
  static Tensor from_bytes(std::span<const std::byte> bytes, const Shape& shape, DType dtype);
  std::shared_ptr<Storage> storage_;
  int64_t offset_bytes_ = 0;
  Shape shape_;
  Shape strides_;
  DType dtype_ = DType::f32;
  std::shared_ptr<Trace> trace_;
};

template <class T>
T* Tensor::data() const {
  expect_dtype(DTypeOf<std::remove_const_t<T>>::value);
  return reinterpret_cast<T*>(raw_data());
}

template <class T>
std::span<T> Tensor::span() const {
  expect_contiguous();
  return {data<T>(), static_cast<size_t>(numel())};
}

template <class T>
T& Tensor::at(std::initializer_list<int64_t> indices) const {
  expect_dtype(DTypeOf<std::remove_const_t<T>>::value);
  return *reinterpret_cast<T*>(element(indices));
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  return from_bytes(std::as_bytes(values), shape, DTypeOf<T>::value);
}

}  // namespace heed
