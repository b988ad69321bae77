#include "heed/tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "heed/base/error.h"

namespace heed {
namespace {

int wrap(int dim, int rank) {
  if (dim < 0) dim += rank;
  HEED_ASSERT(dim >= 0 && dim <= rank);
  return dim;
}

/// Calls row(offset of its first element) for every innermost row, offsets in elements.
template <class F>
void for_each_row(const Shape& shape, const Shape& strides, F row) {
  if (shape.numel() == 0) return;
  const int outer = std::max(shape.rank() - 1, 0);
  Shape index = shape;
  for (int i = 0; i < index.rank(); ++i) index[i] = 0;
  for (int64_t offset = 0;;) {
    row(offset);
    int dim = outer - 1;
    for (; dim >= 0; --dim) {
      offset += strides[dim];
      if (++index[dim] < shape[dim]) break;
      offset -= strides[dim] * shape[dim];
      index[dim] = 0;
    }
    if (dim < 0) return;
  }
}

template <class From, class To>
void convert(const From* from, To* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    float value;
    if constexpr (std::is_arithmetic_v<From>) {
      value = static_cast<float>(from[i]);
    } else {
      value = to_float(from[i]);
    }
    if constexpr (std::is_same_v<To, BFloat16>) {
      to[i] = to_bfloat16(value);
    } else if constexpr (std::is_same_v<To, Float16>) {
      to[i] = to_float16(value);
    } else {
      to[i] = value;
    }
  }
}

template <class F>
void with_float_type(DType dtype, F body) {
  switch (dtype) {
    case DType::f64:
      return body(double{});
    case DType::f32:
      return body(float{});
    case DType::bf16:
      return body(BFloat16{});
    case DType::f16:
      return body(Float16{});
    default:
      throw Error(ErrorCode::unsupported, "tensor: only f64, f32, bf16 and f16 convert, found " +
                                              std::string(to_string(dtype)));
  }
}

/// shape with its one -1 replaced by what is left of numel.
Shape resolve(Shape shape, int64_t numel) {
  int open = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1) {
      HEED_ASSERT(open == -1);
      open = i;
    } else {
      known *= shape[i];
    }
  }
  if (open >= 0) shape[open] = known == 0 ? 0 : numel / known;
  if (shape.numel() != numel) {
    throw Error(ErrorCode::invalid_argument, "reshape: " + to_string(shape) + " does not hold " +
                                                 std::to_string(numel) + " elements");
  }
  return shape;
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  return view(Storage::allocate(shape.numel() * size_of(dtype)), 0, shape, dtype);
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor result = empty(shape, dtype);
  std::memset(result.raw_data(), 0, static_cast<size_t>(result.numel() * size_of(dtype)));
  return result;
}

Tensor Tensor::full(const Shape& shape, float value) {
  Tensor result = empty(shape);
  std::ranges::fill(result.span<float>(), value);
  return result;
}

Tensor Tensor::from_bytes(std::span<const std::byte> bytes, const Shape& shape, DType dtype) {
  const int64_t needed = shape.numel() * size_of(dtype);
  if (static_cast<int64_t>(bytes.size()) != needed) {
    throw Error(ErrorCode::invalid_argument, "tensor: " + to_string(shape) + " needs " +
                                                 std::to_string(shape.numel()) + " values, found " +
                                                 std::to_string(bytes.size() / size_of(dtype)));
  }
  Tensor result = empty(shape, dtype);
  if (needed > 0) std::memcpy(result.raw_data(), bytes.data(), bytes.size());
  return result;
}

Tensor Tensor::view(std::shared_ptr<Storage> storage, int64_t offset_bytes, const Shape& shape,
                    DType dtype) {
  HEED_ASSERT(offset_bytes >= 0 && offset_bytes % size_of(dtype) == 0);
  HEED_ASSERT(offset_bytes + shape.numel() * size_of(dtype) <= storage->bytes());
  Tensor result;
  result.storage_ = std::move(storage);
  result.offset_bytes_ = offset_bytes;
  result.shape_ = shape;
  result.strides_ = row_major_strides(shape);
  result.dtype_ = dtype;
  return result;
}

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return numel() == 0;
    step *= shape_[i];
  }
  return true;
}

std::byte* Tensor::raw_data() const {
  HEED_ASSERT(defined());
  return storage_->data() + offset_bytes_;
}

std::byte* Tensor::element(std::initializer_list<int64_t> indices) const {
  HEED_ASSERT(static_cast<int>(indices.size()) == rank());
  int64_t offset = 0;
  int dim = 0;
  for (const int64_t i : indices) {
    HEED_ASSERT(i >= 0 && i < shape_[dim]);
    offset += i * strides_[dim++];
  }
  return raw_data() + offset * size_of(dtype_);
}

void Tensor::expect_dtype(DType dtype) const { HEED_ASSERT(defined() && dtype == dtype_); }
void Tensor::expect_contiguous() const { HEED_ASSERT(is_contiguous()); }

template <class F>
Tensor Tensor::viewed_as(Tensor view, const F& how) const {
  if (trace_) view.trace_ = trace_->of(how);
  return view;
}

Tensor Tensor::with_trace(std::shared_ptr<Trace> trace) const {
  Tensor result = *this;
  result.trace_ = std::move(trace);
  return result;
}

Tensor Tensor::as_strided(const Shape& shape, const Shape& strides) const {
  int64_t last = 0;
  for (int dim = 0; dim < shape.rank(); ++dim) last += (shape[dim] - 1) * strides[dim];
  HEED_ASSERT(shape.numel() == 0 ||
              offset_bytes_ + (last + 1) * size_of(dtype_) <= storage_->bytes());
  Tensor result = detach();
  result.shape_ = shape;
  result.strides_ = strides;
  return result;
}

Tensor Tensor::reshape(const Shape& shape) const {
  const Shape wanted = resolve(shape, numel());
  HEED_ASSERT(is_contiguous());
  Tensor result = *this;
  result.shape_ = wanted;
  result.strides_ = row_major_strides(wanted);
  return viewed_as(result, [wanted](const Tensor& x) { return x.reshape(wanted); });
}

Tensor Tensor::transpose(int a, int b) const {
  Tensor result = *this;
  std::swap(result.shape_[a], result.shape_[b]);
  std::swap(result.strides_[a], result.strides_[b]);
  return viewed_as(result, [a, b](const Tensor& x) { return x.transpose(a, b); });
}

Tensor Tensor::slice(int dim, int64_t begin, int64_t end) const {
  HEED_ASSERT(begin >= 0 && begin <= end && end <= shape_[dim]);
  Tensor result = *this;
  result.offset_bytes_ += begin * strides_[dim] * size_of(dtype_);
  result.shape_[dim] = end - begin;
  return viewed_as(result, [=](const Tensor& x) { return x.slice(dim, begin, end); });
}

Tensor Tensor::select(int dim, int64_t i) const {
  dim = wrap(dim, rank());
  Tensor result = detach().slice(dim, i, i + 1);
  result.shape_ = Shape();
  result.strides_ = Shape();
  for (int d = 0; d < rank(); ++d) {
    if (d == dim) continue;
    result.shape_.push_back(shape_[d]);
    result.strides_.push_back(strides_[d]);
  }
  return viewed_as(result, [dim, i](const Tensor& x) { return x.select(dim, i); });
}

Tensor Tensor::unsqueeze(int dim) const {
  if (dim < 0) dim += rank() + 1;
  HEED_ASSERT(dim >= 0 && dim <= rank());
  Tensor result = *this;
  result.shape_ = Shape();
  result.strides_ = Shape();
  for (int d = 0; d <= rank(); ++d) {
    if (d == dim) {
      result.shape_.push_back(1);
      result.strides_.push_back(0);
    }
    if (d == rank()) break;
    result.shape_.push_back(shape_[d]);
    result.strides_.push_back(strides_[d]);
  }
  return viewed_as(result, [dim](const Tensor& x) { return x.unsqueeze(dim); });
}

Tensor Tensor::expand(const Shape& shape) const {
  const int added = shape.rank() - rank();
  Tensor result = *this;
  result.shape_ = shape;
  result.strides_ = shape;
  for (int d = 0; d < shape.rank(); ++d) {
    const int64_t have = d < added ? 1 : shape_[d - added];
    if (added < 0 || (have != 1 && have != shape[d])) {
      throw Error(ErrorCode::invalid_argument,
                  "expand: " + to_string(shape_) + " does not broadcast to " + to_string(shape));
    }
    result.strides_[d] = have == 1 ? 0 : strides_[d - added];
  }
  return viewed_as(result, [shape](const Tensor& x) { return x.expand(shape); });
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor result = empty(shape_, dtype_);
  const int64_t bytes = size_of(dtype_);
  const int64_t row = rank() == 0 ? 1 : shape_[-1];
  const int64_t step = rank() == 0 ? 1 : strides_[-1];
  std::byte* to = result.raw_data();
  for_each_row(shape_, strides_, [&](int64_t offset) {
    const std::byte* from = raw_data() + offset * bytes;
    if (step == 1) {
      std::memcpy(to, from, static_cast<size_t>(row * bytes));
    } else {
      for (int64_t i = 0; i < row; ++i) {
        std::memcpy(to + i * bytes, from + i * step * bytes, static_cast<size_t>(bytes));
      }
    }
    to += row * bytes;
  });
  if (trace_) result.trace_ = is_contiguous() ? trace_ : trace_->of_copy(result);
  return result;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  const Tensor source = contiguous();
  Tensor result = empty(shape_, dtype);
  with_float_type(dtype_, [&](auto from) {
    with_float_type(dtype, [&](auto to) {
      convert(source.data<decltype(from)>(), result.data<decltype(to)>(), numel());
    });
  });
  result.trace_ = source.trace_;
  return result;
}

}  // namespace heed
