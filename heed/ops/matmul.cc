#include <algorithm>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/linear.h"
#include "heed/ops/precision.h"
#include "heed/ops/product.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

Tensor exchanged(const Tensor& x) { return x.transpose(x.rank() - 2, x.rank() - 1); }

/// x [..., R, C] with a unit stride in one of the last two dimensions.
Tensor readable(const Tensor& x) {
  return x.stride(-1) == 1 || x.stride(-2) == 1 ? x : x.contiguous();
}

/// Matrix `index` of x [..., R, C], in row-major order of what comes before.
kernels::Operand matrix(const Tensor& x, int64_t index) {
  const float* at = x.data<float>();
  for (int dim = x.rank() - 3; dim >= 0; --dim) {
    at += index % x.size(dim) * x.stride(dim);
    index /= x.size(dim);
  }
  return {at, x.stride(-2), x.stride(-1)};
}

/// matmul() of what is checked, unrecorded.
Tensor products(const Tensor& a, const Tensor& b, Precision precision) {
  Shape shape = a.shape();
  shape[-1] = b.size(-1);
  const Tensor y = Tensor::empty(shape);
  if (y.numel() == 0) return y;
  const Tensor left = readable(a), right = readable(b);
  const int64_t rows = shape[-2], columns = shape[-1];
  const int64_t count = y.numel() / (rows * columns);
  const auto one = [&](int64_t index) {
    multiply({.a = matrix(left, index),
              .b = matrix(right, index),
              .c = y.data<float>() + index * rows * columns,
              .c_stride = columns,
              .rows = rows,
              .columns = columns,
              .depth = a.size(-1),
              .precision = precision,
              .scratch = nullptr});
  };
  if (count < num_threads()) {
    for (int64_t index = 0; index < count; ++index) one(index);
  } else {
    parallel_for(count, [&](int64_t index, int) { one(index); });
  }
  return y;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  Dims("matmul").bind("a", a, "... M K", DType::f32).bind("b", b, "... K N", DType::f32);
  bool agree = b.rank() == a.rank();
  for (int dim = 0; agree && dim < a.rank() - 2; ++dim) agree = a.size(dim) == b.size(dim);
  if (!agree) {
    throw Error(ErrorCode::invalid_argument,
                "matmul: a and b must have equal leading dimensions but are " +
                    to_string(a.shape()) + " and " + to_string(b.shape()));
  }
  const Tensor left = a.detach(), right = b.detach();
  const Precision precision = compute_precision();
  const Tensor y = products(left, right, precision);
  if (!recording({&a, &b})) return y;
  return record(y, {a, b}, [left, right, precision](const Tensor& dy, Gradients& to) {
    if (to.wants(0)) to.add(0, products(dy, exchanged(right), precision));
    if (to.wants(1)) to.add(1, products(exchanged(left), dy, precision));
  });
}

}  // namespace heed
