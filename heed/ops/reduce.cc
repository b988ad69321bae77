#include "heed/ops/reduce.h"

#include <algorithm>
#include <string>

#include "heed/autograd/accumulate.h"
#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/ops/chunks.h"
#include "heed/ops/elementwise.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

int positive(const char* operation, int dim, int rank) {
  const int wrapped = dim < 0 ? dim + rank : dim;
  if (wrapped >= 0 && wrapped < rank) return wrapped;
  throw Error(ErrorCode::invalid_argument, std::string(operation) + ": dimension " +
                                               std::to_string(dim) + " of a tensor with " +
                                               std::to_string(rank) + " dimensions");
}

/// Elements from dimension dim on in one step of those before it.
int64_t run_of(const Tensor& x, int dim) {
  int64_t run = 1;
  for (int d = dim; d < x.rank(); ++d) run *= x.size(d);
  return run;
}

/// Of the parts' shapes end to end; Error where they do not fit.
Shape joined_shape(const std::vector<Tensor>& parts, int dim) {
  Shape shape = parts[0].shape();
  shape[dim] = 0;
  for (const Tensor& part : parts) {
    Dims("concatenate").bind("a part", part, "...", DType::f32);
    Shape rest = part.shape();
    if (rest.rank() == shape.rank()) rest[dim] = shape[dim];
    if (!(rest == shape)) {
      throw Error(ErrorCode::invalid_argument,
                  "concatenate: parts must be equal but in dimension " + std::to_string(dim) +
                      ", found " + to_string(parts[0].shape()) + " and " + to_string(part.shape()));
    }
    shape[dim] += part.size(dim);
  }
  return shape;
}

}  // namespace

Tensor sum(const Tensor& x, int dim) {
  Dims("sum").bind("x", x, "...", DType::f32);
  dim = positive("sum", dim, x.rank());
  Shape shape;
  for (int d = 0; d < x.rank(); ++d) {
    if (d != dim) shape.push_back(x.size(d));
  }
  const Tensor y = Tensor::zeros(shape);
  accumulate(y.unsqueeze(dim).expand(x.shape()), x.detach());
  if (!recording({&x})) return y;
  return record(y, {x}, [dim, wide = x.shape()](const Tensor& dy, Gradients& to) {
    to.add(0, dy.unsqueeze(dim).expand(wide));
  });
}

Tensor mean(const Tensor& x, int dim) {
  const Tensor total = sum(x, dim);
  return scale(total, 1.0F / static_cast<float>(x.size(dim)));
}

Tensor concatenate(const std::vector<Tensor>& parts, int dim) {
  if (parts.empty()) {
    throw Error(ErrorCode::invalid_argument, "concatenate: at least one part is needed, found 0");
  }
  dim = positive("concatenate", dim, parts[0].rank());
  const Tensor y = Tensor::empty(joined_shape(parts, dim));
  const int64_t run = run_of(y, dim);
  const int64_t rows = run == 0 ? 0 : y.numel() / run;
  int64_t at = 0;
  for (const Tensor& part : parts) {
    const Tensor from = part.detach().contiguous();
    const int64_t some = run_of(part, dim);
    parallel_rows(rows, some, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        std::copy_n(from.data<float>() + row * some, some, y.data<float>() + row * run + at);
      }
    });
    at += some;
  }
  if (!recording(parts)) return y;
  std::vector<int64_t> sizes;
  for (const Tensor& part : parts) sizes.push_back(part.size(dim));
  return record(y, parts, [dim, sizes](const Tensor& dy, Gradients& to) {
    int64_t first = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      to.add(i, dy.slice(dim, first, first + sizes[i]));
      first += sizes[i];
    }
  });
}

}  // namespace heed
