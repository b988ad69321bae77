#include "heed/ops/elementwise.h"

#include <algorithm>
#include <span>
#include <string>

#include "heed/base/error.h"
#include "heed/kernels/elementwise.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

Shape broadcast_shape(const Tensor& a, const Tensor& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const int64_t from_a = i < rank - a.rank() ? 1 : a.size(i - (rank - a.rank()));
    const int64_t from_b = i < rank - b.rank() ? 1 : b.size(i - (rank - b.rank()));
    if (from_a != from_b && from_a != 1 && from_b != 1) {
      throw Error(ErrorCode::invalid_argument,
                  "add: shapes must be equal or 1 in each dimension, found " +
                      to_string(a.shape()) + " and " + to_string(b.shape()));
    }
    shape.push_back(from_a == 1 ? from_b : from_a);
  }
  return shape;
}

/// First element of row `row` of a tensor seen as rows of its last dimension.
const float* row_start(const Tensor& x, int64_t row) {
  int64_t offset = 0;
  for (int dim = x.rank() - 2; dim >= 0; --dim) {
    offset += row % x.size(dim) * x.stride(dim);
    row /= x.size(dim);
  }
  return x.data<float>() + offset;
}

/// x expanded to shape, its last dimension contiguous.
Tensor expand_rows(const Tensor& x, const Shape& shape) {
  const Tensor wide = x.expand(shape);
  return wide.stride(-1) == 1 || wide.size(-1) == 1 ? wide : wide.contiguous();
}

/// Rows of a table of any float type as f32.
void copy_row(const Tensor& table, int64_t row, float* y) {
  const int64_t width = table.size(1);
  const int64_t offset = row * table.stride(0);
  if (table.dtype() == DType::f32) {
    std::copy_n(table.data<float>() + offset, width, y);
  } else {
    const auto* bits = reinterpret_cast<const uint16_t*>(table.raw_data()) + offset;
    (table.dtype() == DType::bf16 ? kernels::widen_bf16 : kernels::widen_f16)(bits, y, width);
  }
}

void check_ids(std::span<const int32_t> ids, int64_t vocab) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      throw Error(ErrorCode::invalid_argument,
                  "embedding: ids must be in [0, " + std::to_string(vocab) + ") but id " +
                      std::to_string(ids[i]) + " stands at position " + std::to_string(i));
    }
  }
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  Dims("add").bind("a", a, "...", DType::f32).bind("b", b, "...", DType::f32);
  const Tensor y = Tensor::empty(broadcast_shape(a, b));
  if (y.numel() == 0) return y;
  float* to = y.data<float>();
  if (a.shape() == b.shape() && a.is_contiguous() && b.is_contiguous()) {
    const float* x = a.data<float>();
    const float* z = b.data<float>();
    parallel_chunks(y.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
      kernels::add(x + begin, z + begin, to + begin, end - begin);
    });
    return y;
  }
  const Tensor left = expand_rows(a, y.shape());
  const Tensor right = expand_rows(b, y.shape());
  const int64_t width = y.size(-1);
  parallel_rows(y.numel() / width, width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernels::add(row_start(left, row), row_start(right, row), to + row * width, width);
    }
  });
  return y;
}

Tensor scale(const Tensor& a, float factor) {
  Dims("scale").bind("a", a, "...", DType::f32);
  const Tensor in = a.contiguous();
  const Tensor y = Tensor::empty(a.shape());
  const auto from = in.span<float>();
  float* to = y.data<float>();
  parallel_chunks(y.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    kernels::scale(from.data() + begin, factor, to + begin, end - begin);
  });
  return y;
}

Tensor embedding(const Tensor& table, const Tensor& ids) {
  Dims("embedding").bind("table", table, "V C").bind("ids", ids, "...", DType::i32);
  const DType dtype = table.dtype();
  if (dtype != DType::f32 && dtype != DType::bf16 && dtype != DType::f16) {
    throw Error(ErrorCode::unsupported, "embedding: table must be f32, bf16 or f16 but is " +
                                            std::string(to_string(dtype)));
  }
  const Tensor rows = table.stride(1) == 1 || table.size(1) <= 1 ? table : table.contiguous();
  const Tensor wanted = ids.contiguous();
  const auto list = wanted.span<int32_t>();
  check_ids(list, table.size(0));
  Shape shape = ids.shape();
  shape.push_back(table.size(1));
  const Tensor y = Tensor::empty(shape);
  const int64_t width = table.size(1);
  float* to = y.data<float>();
  parallel_rows(wanted.numel(), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      copy_row(rows, list[static_cast<size_t>(i)], to + i * width);
    }
  });
  return y;
}

}  // namespace heed
