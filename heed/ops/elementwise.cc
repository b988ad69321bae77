#include "heed/ops/elementwise.h"

#include <algorithm>
#include <string>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/elementwise.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

Shape broadcast_shape(const char* operation, const Tensor& a, const Tensor& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const int64_t from_a = i < rank - a.rank() ? 1 : a.size(i - (rank - a.rank()));
    const int64_t from_b = i < rank - b.rank() ? 1 : b.size(i - (rank - b.rank()));
    if (from_a != from_b && from_a != 1 && from_b != 1) {
      throw Error(ErrorCode::invalid_argument,
                  std::string(operation) + ": shapes must be equal or 1 in each dimension, found " +
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
  const Tensor wide = x.detach().expand(shape);
  return wide.stride(-1) == 1 || wide.size(-1) == 1 ? wide : wide.contiguous();
}

using Kernel = void (*)(const float* a, const float* b, float* y, int64_t n);

/// kernel of a and b, broadcast.
Tensor combine(const char* operation, Kernel kernel, const Tensor& a, const Tensor& b) {
  Dims(operation).bind("a", a, "...", DType::f32).bind("b", b, "...", DType::f32);
  const Tensor y = Tensor::empty(broadcast_shape(operation, a, b));
  if (y.numel() == 0) return y;
  float* to = y.data<float>();
  if (a.shape() == b.shape() && a.is_contiguous() && b.is_contiguous()) {
    const float* x = a.data<float>();
    const float* z = b.data<float>();
    parallel_chunks(y.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
      kernel(x + begin, z + begin, to + begin, end - begin);
    });
    return y;
  }
  const Tensor left = expand_rows(a, y.shape());
  const Tensor right = expand_rows(b, y.shape());
  const int64_t width = y.size(-1);
  parallel_rows(y.numel() / width, width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernel(row_start(left, row), row_start(right, row), to + row * width, width);
    }
  });
  return y;
}

/// f(from, to, first, n) on runs of x's elements in order -> y.
template <class F>
Tensor map(const Tensor& x, const F& f) {
  const Tensor in = x.detach().contiguous();
  const Tensor y = Tensor::empty(x.shape());
  const auto from = in.span<float>();
  float* to = y.data<float>();
  parallel_chunks(y.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    f(from.data() + begin, to + begin, begin, end - begin);
  });
  return y;
}

Tensor scaled(const Tensor& a, float factor) {
  return map(a, [factor](const float* from, float* to, int64_t, int64_t n) {
    kernels::scale(from, factor, to, n);
  });
}

Tensor dropped(const Tensor& x, const Dropout& dropout) {
  return map(x, [&](const float* from, float* to, int64_t first, int64_t n) {
    kernels::dropout(dropout, first, from, to, n);
  });
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  const Tensor y = combine("add", kernels::add, a, b);
  if (!recording({&a, &b})) return y;
  // what broadcasting repeats, these views' gradients sum up
  return record(y, {a.expand(y.shape()), b.expand(y.shape())}, [](const Tensor& dy, Gradients& to) {
    to.add(0, dy);
    to.add(1, dy);
  });
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  const Tensor y = combine("multiply", kernels::multiply, a, b);
  if (!recording({&a, &b})) return y;
  const Tensor for_b = b.traced() ? a.detach() : Tensor();
  const Tensor for_a = a.traced() ? b.detach() : Tensor();
  return record(y, {a.expand(y.shape()), b.expand(y.shape())},
                [for_a, for_b](const Tensor& dy, Gradients& to) {
                  if (to.wants(0)) to.add(0, combine("multiply", kernels::multiply, dy, for_a));
                  if (to.wants(1)) to.add(1, combine("multiply", kernels::multiply, dy, for_b));
                });
}

Tensor scale(const Tensor& a, float factor) {
  Dims("scale").bind("a", a, "...", DType::f32);
  const Tensor y = scaled(a, factor);
  if (!recording({&a})) return y;
  return record(y, {a},
                [factor](const Tensor& dy, Gradients& to) { to.add(0, scaled(dy, factor)); });
}

Tensor dropout(const Tensor& x, const Dropout& dropout) {
  Dims("dropout").bind("x", x, "...", DType::f32);
  if (!(dropout.probability >= 0 && dropout.probability < 1)) {
    throw Error(ErrorCode::invalid_argument, "dropout: the probability must be in [0, 1) but is " +
                                                 std::to_string(dropout.probability));
  }
  if (!dropout.on()) return x;
  const Tensor y = dropped(x, dropout);
  if (!recording({&x})) return y;
  return record(y, {x},
                [dropout](const Tensor& dy, Gradients& to) { to.add(0, dropped(dy, dropout)); });
}

}  // namespace heed
