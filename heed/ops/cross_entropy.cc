#include "heed/ops/cross_entropy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/cross_entropy.h"
#include "heed/kernels/elementwise.h"
#include "heed/ops/chunks.h"
#include "heed/ops/linear_gradient.h"
#include "heed/ops/product.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

using namespace internal;

/// The targets that count.
struct Targets {
  const int32_t* all;
  Tensor rows;  // i64: where they stand, in order
  int64_t count() const { return rows.numel(); }
  int64_t row(int64_t i) const { return rows.data<int64_t>()[i]; }
  int64_t operator[](int64_t i) const { return all[row(i)]; }
};

Targets find_targets(const Tensor& targets, int64_t classes, const CrossEntropyOptions& options) {
  const auto all = targets.span<int32_t>();
  Targets found{.all = all.data(), .rows = Tensor::empty({targets.numel()}, DType::i64)};
  int64_t count = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] == options.ignored) continue;
    if (all[i] < 0 || all[i] >= classes) {
      throw Error(ErrorCode::invalid_argument,
                  "cross_entropy: targets must be in [0, " + std::to_string(classes) + ") or " +
                      std::to_string(options.ignored) + " (ignored), found " +
                      std::to_string(all[i]) + " at " + std::to_string(i));
    }
    found.rows.data<int64_t>()[count++] = static_cast<int64_t>(i);
  }
  found.rows = found.rows.slice(0, 0, count);
  return found;
}

/// Checks everything but the targets' values.
void check(const Tensor& x, const Tensor& targets, const CrossEntropyOptions& options) {
  const Shape shape = x.shape();
  bool agree = targets.rank() == x.rank() - 1 && targets.dtype() == DType::i32;
  for (int dim = 0; agree && dim < targets.rank(); ++dim) agree = targets.size(dim) == shape[dim];
  if (!agree) {
    throw Error(ErrorCode::invalid_argument,
                "cross_entropy: targets must be i32, one for each row of " + to_string(shape) +
                    ", but are " + std::string(to_string(targets.dtype())) + " " +
                    to_string(targets.shape()));
  }
  if (!(options.label_smoothing >= 0.0F && options.label_smoothing < 1.0F)) {
    throw Error(ErrorCode::invalid_argument,
                "cross_entropy: label_smoothing must be in [0, 1), found " +
                    std::to_string(options.label_smoothing));
  }
}

struct RowPlace {
  const float* logits;
  float* gradient;
};

/// The losses of the targets that count, and their mean or sum.
class Loss {
 public:
  Loss(const Targets& targets, const CrossEntropyOptions& options)
      : targets_(targets),
        options_(options),
        each_(Tensor::empty({targets.count()}, DType::f64)),
        factor_(options.sum || targets.count() == 0 ? 1.0
                                                    : 1.0 / static_cast<double>(targets.count())) {}

  /// Targets from `first` on; where(i) is the place of the i-th row's gradients and logits.
  template <class Where>
  void add(int64_t first, int64_t rows, int64_t classes, const Where& where) {
    parallel_rows(rows, classes, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto [logits, gradient] = where(i);
        each_.data<double>()[first + i] =
            kernels::cross_entropy({.logits = logits,
                                    .n = classes,
                                    .target = targets_[first + i],
                                    .smoothing = options_.label_smoothing,
                                    .factor = static_cast<float>(factor_),
                                    .gradient = gradient});
      }
    });
  }
  Tensor value() const {
    double sum = 0.0;
    for (const double loss : each_.span<double>()) sum += loss;
    return Tensor::full(Shape{}, static_cast<float>(sum * factor_));
  }

 private:
  const Targets& targets_;
  const CrossEntropyOptions& options_;
  Tensor each_;
  double factor_;
};

/// gradient times dy, the gradient of the loss, where it lies.
void add_scaled(Gradients& to, size_t input, const Tensor& gradient, const Tensor& dy) {
  if (!gradient.defined()) return;
  const float factor = *dy.data<float>();
  float* at = gradient.data<float>();  // in any order, but without gaps
  if (factor != 1.0F) {
    parallel_chunks(gradient.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
      kernels::scale(at + begin, factor, at + begin, end - begin);
    });
  }
  to.add(input, gradient);
}

/// Rows of x that count, side by side, and their gradients' way back.
Tensor gather(const Tensor& x, const Targets& targets, int64_t first, int64_t rows) {
  const int64_t width = x.size(-1);
  const Tensor together = Tensor::empty({rows, width});
  parallel_rows(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(x.data<float>() + targets.row(first + i) * width, width,
                  together.data<float>() + i * width);
    }
  });
  return together;
}

void scatter(const Tensor& together, const Targets& targets, int64_t first, const Tensor& dx) {
  const int64_t width = dx.size(-1);
  parallel_rows(together.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(together.data<float>() + i * width, width,
                  dx.data<float>() + targets.row(first + i) * width);
    }
  });
}

/// Rows of logits at a time: even blocks of 64 MiB at most.
int64_t rows_at_once(int64_t rows, int64_t classes) {
  constexpr int64_t kFloats = int64_t{16} << 20;
  const int64_t most = std::max<int64_t>(1, kFloats / std::max<int64_t>(1, classes));
  const int64_t blocks = std::max<int64_t>(1, (rows + most - 1) / most);
  return (rows + blocks - 1) / blocks;
}

/// The loss behind a projection, with the gradients that are wanted.
struct Projected {
  const Tensor& x;  // contiguous [..., C]
  Layer layer;
  bool wants_bias;
  Tensor dx, dw, db{};  // undefined: not wanted

  Tensor run(const Targets& targets, const CrossEntropyOptions& options) {
    Loss loss(targets, options);
    const int64_t most = rows_at_once(targets.count(), layer.outputs());
    for (int64_t first = 0; first < targets.count(); first += most) {
      add_block(loss, targets, first, std::min(most, targets.count() - first));
    }
    return loss.value();
  }

  void add_block(Loss& loss, const Targets& targets, int64_t first, int64_t rows) {
    const int64_t classes = layer.outputs();
    const Tensor together = gather(x, targets, first, rows);
    const Tensor logits = Tensor::empty({rows, classes});
    const bool gradients = dx.defined() || dw.defined() || wants_bias;
    project(layer, columns_of(together), columns_of(logits));
    loss.add(first, rows, classes, [&](int64_t i) {
      float* row = logits.data<float>() + i * classes;
      return RowPlace{row, gradients ? row : nullptr};
    });
    const Columns above = columns_of(logits);
    if (dw.defined()) {
      add_weight_gradient(layer, above, columns_of(together), dw, first > 0);
    }
    if (wants_bias) {
      const Tensor sums = bias_gradient(layer, above);
      if (first > 0)
        kernels::add(db.data<float>(), sums.data<float>(), sums.data<float>(), classes);
      db = sums;
    }
    if (dx.defined()) {
      project_back(layer, above, columns_of(together));
      scatter(together, targets, first, dx);
    }
  }
};

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options) {
  Dims("cross_entropy").bind("logits", logits, "... V", DType::f32);
  check(logits, targets, options);
  const Tensor in = logits.contiguous(), ids = targets.contiguous();
  const int64_t classes = in.size(-1);
  const Targets counted = find_targets(ids, classes, options);
  const Tensor gradient = recording({&in}) ? Tensor::zeros(in.shape()) : Tensor();
  Loss loss(counted, options);
  loss.add(0, counted.count(), classes, [&](int64_t i) {
    const int64_t at = counted.row(i) * classes;
    return RowPlace{in.data<float>() + at,
                    gradient.defined() ? gradient.data<float>() + at : nullptr};
  });
  const Tensor y = loss.value();
  if (!gradient.defined()) return y;
  return record(y, {in},
                [gradient](const Tensor& dy, Gradients& to) { add_scaled(to, 0, gradient, dy); });
}

Tensor cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& targets, const CrossEntropyOptions& options) {
  check_weights({weight}, {bias});
  check_input(x, weight.size(1));
  check(x, targets, options);
  const std::vector<Tensor> inputs{x.contiguous(), weight, bias};
  const bool recorded = recording(inputs);
  const Tensor ids = targets.contiguous(), in = inputs[0].detach();
  const Targets counted = find_targets(ids, weight.size(0), options);
  Projected work{.x = in,
                 .layer = {weight, bias},
                 .wants_bias = recorded && bias.defined() && bias.traced(),
                 .dx = recorded && inputs[0].traced() ? Tensor::empty(x.shape()) : Tensor(),
                 .dw = {}};
  if (recorded && weight.traced()) work.dw = empty_laid_out_as(work.layer.weight);
  const bool all = counted.count() == ids.numel();
  if (!all && work.dx.defined()) work.dx = Tensor::zeros(x.shape());
  if (counted.count() == 0 && work.dw.defined()) work.dw = Tensor::zeros(weight.shape());
  if (work.wants_bias && counted.count() == 0) work.db = Tensor::zeros(bias.shape());
  const Tensor y = work.run(counted, options);
  if (!recorded) return y;
  return record(y, inputs,
                [dx = work.dx, dw = work.dw, db = work.db](const Tensor& dy, Gradients& to) {
                  add_scaled(to, 0, dx, dy);
                  add_scaled(to, 1, dw, dy);
                  add_scaled(to, 2, db, dy);
                });
}

}  // namespace heed
