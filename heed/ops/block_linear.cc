#include "heed/ops/block_linear.h"

#include <algorithm>
#include <optional>
#include <string>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/block_product.h"
#include "heed/kernels/int8_product.h"
#include "heed/ops/block_rows.h"
#include "heed/ops/blocks.h"
#include "heed/ops/chunks.h"
#include "heed/ops/linear_gradient.h"

namespace heed {
namespace {

using kernels::kBlockProductPanel;
static_assert(kernels::kInt8Panel == kBlockProductPanel);  // both are split alike

void check_part(const BlockMatrix& weight, const Tensor& bias, int64_t inputs) {
  if (weight.columns != inputs || weight.columns % block_size(weight.kind) != 0) {
    throw Error(ErrorCode::invalid_argument,
                "linear: weights must be [N, K=" + std::to_string(inputs) + "], K a multiple of " +
                    std::to_string(block_size(weight.kind)) + " for " +
                    std::string(to_string(weight.kind)) + ", but are [" +
                    std::to_string(weight.rows) + ", " + std::to_string(weight.columns) + "]");
  }
  if (bias.defined() && !(bias.shape() == Shape{weight.rows})) {
    throw Error(ErrorCode::invalid_argument, "linear: bias must be [" +
                                                 std::to_string(weight.rows) + "] but is " +
                                                 to_string(bias.shape()));
  }
}

/// Tasks of a product: groups of panels of outputs times blocks of rows. No bit of the result
/// depends on it.
struct Split {
  int64_t rows;
  int64_t row_blocks;
  int64_t panels;  // of a group
  int64_t groups;
};

Split split_work(int64_t rows, int64_t panels, int64_t inputs) {
  // unpacking a panel costs what multiplying seven rows does, so many rows should share it
  constexpr int64_t kMaxRows = 512;
  constexpr int64_t kTasksPerThread = 8;         // so that no thread waits long for the last
  constexpr int64_t kLeastProducts = 32 * 1024;  // of a task, some microseconds
  auto cuts = [](int64_t size, int64_t part) { return (size + part - 1) / part; };
  Split split{};
  split.row_blocks = cuts(rows, kMaxRows);
  split.rows = cuts(rows, split.row_blocks);
  const int64_t tasks = num_threads() == 1 ? 1 : num_threads() * kTasksPerThread;
  const int64_t panel_products = std::max<int64_t>(1, split.rows * inputs * kBlockProductPanel);
  split.panels = std::min(panels, std::max(cuts(panels * split.row_blocks, tasks),
                                           cuts(kLeastProducts, panel_products)));
  split.groups = cuts(panels, split.panels);
  return split;
}

bool takes_int8(const BlockMatrix& weight) {
  return weight.int8_inputs && kernels::has_int8_product(weight.kind);
}

/// Rows of x rounded to 8 bits, for the parts that take them so.
class Int8Rows {
 public:
  explicit Int8Rows(const Tensor& x, int64_t rows, int64_t columns)
      : codes_(Tensor::empty({rows, columns}, DType::i8)),
        scales_(Tensor::empty({rows, columns / kernels::kInt8Step, 4}, DType::i32)),
        columns_(columns) {
    static_assert(sizeof(kernels::Int8Scale) == 4 * sizeof(int32_t));
    parallel_rows(rows, columns, [&](int64_t begin, int64_t end) {
      kernels::quantize_inputs(x.data<float>() + begin * columns, columns, at(begin, end - begin));
    });
  }
  kernels::Int8Inputs at(int64_t row, int64_t rows) const {
    auto* scales = reinterpret_cast<kernels::Int8Scale*>(scales_.data<int32_t>());
    return {rows, columns_, codes_.data<int8_t>() + row * columns_,
            scales + row * (columns_ / kernels::kInt8Step)};
  }

 private:
  Tensor codes_, scales_;
  int64_t columns_;
};

/// The task with the rows of x in 8 bits.
void multiply_int8(const kernels::BlockProductTask& task, const kernels::Int8Inputs& x) {
  kernels::int8_product({.weights = task.weights,
                         .first_output = task.first_output,
                         .last_output = task.last_output,
                         .x = x,
                         .y = task.y,
                         .y_stride = task.y_stride,
                         .bias = task.bias,
                         .activation = task.activation,
                         .scratch = reinterpret_cast<std::byte*>(task.scratch)});
}

}  // namespace

BlockLinear::BlockLinear(std::vector<BlockMatrix> weights, const std::vector<Tensor>& biases) {
  HEED_ASSERT(!weights.empty() && weights.size() == biases.size());
  inputs_ = weights[0].columns;
  std::vector<Part> parts;
  for (size_t i = 0; i < weights.size(); ++i) {
    check_part(weights[i], biases[i], inputs_);
    const Tensor bias =
        biases[i].defined() ? biases[i].detach().to(DType::f32).contiguous() : Tensor();
    parts.push_back({std::move(weights[i]), bias, outputs_});
    outputs_ += parts.back().weight.rows;
  }
  parts_ = std::make_shared<const std::vector<Part>>(std::move(parts));
}

Tensor BlockLinear::operator()(const Tensor& x, Activation activation) const {
  HEED_ASSERT(parts_ != nullptr);
  internal::check_input(x, inputs_);
  if (!recording({&x})) return compute(x, activation);
  return internal::record_fixed(x, compute(x.detach(), Activation::none), activation,
                                [self = *this] { return self.unpacked(); });
}

/// The weights [N, K] as f32.
Tensor BlockLinear::unpacked() const {
  const Tensor weight = Tensor::empty({outputs_, inputs_});
  for (const Part& part : *parts_) {
    const kernels::BlockRows rows = internal::block_rows(part.weight);
    parallel_rows(part.weight.rows, inputs_, [&](int64_t begin, int64_t end) {
      kernels::dequantize(rows, begin, end - begin,
                          weight.data<float>() + (part.first + begin) * inputs_, inputs_);
    });
  }
  return weight;
}

Tensor BlockLinear::compute(const Tensor& x, Activation activation) const {
  Shape shape = x.shape();
  shape[-1] = outputs_;
  const Tensor in = x.contiguous();
  const Tensor y = Tensor::empty(shape);
  if (y.numel() == 0) return y;
  const int64_t rows = y.numel() / outputs_;
  const int64_t panels = (outputs_ + kBlockProductPanel - 1) / kBlockProductPanel;
  const Split split = split_work(rows, panels, inputs_);
  const int64_t tasks = split.row_blocks * split.groups, threads = num_threads();
  std::optional<Int8Rows> int8;
  int64_t floats = kernels::block_product_scratch(split.rows);
  if (std::ranges::any_of(*parts_, [](const Part& part) { return takes_int8(part.weight); })) {
    int8.emplace(in, rows, inputs_);
    floats = std::max(floats, kernels::int8_product_scratch() / int64_t{sizeof(float)});
  }
  const Tensor scratch = Tensor::empty({std::min(tasks, threads), floats});
  parallel_for(tasks, [&](int64_t index, int worker) {
    const int64_t row = index / split.groups * split.rows;
    const int64_t begin = index % split.groups * split.panels * kBlockProductPanel;
    const int64_t end = std::min(begin + split.panels * kBlockProductPanel, outputs_);
    for (const Part& part : *parts_) {
      const int64_t first = std::max(begin, part.first);
      const int64_t last = std::min(end, part.first + part.weight.rows);
      if (first >= last) continue;
      kernels::BlockProductTask task{.weights = internal::block_rows(part.weight),
                                     .first_output = first - part.first,
                                     .last_output = last - part.first,
                                     .x = in.data<float>() + row * inputs_,
                                     .x_stride = inputs_,
                                     .y = y.data<float>() + row * outputs_ + part.first,
                                     .y_stride = outputs_,
                                     .rows = std::min(split.rows, rows - row),
                                     .activation = activation};
      if (part.bias.defined()) task.bias = part.bias.data<float>();
      task.scratch = scratch.data<float>() + (tasks <= threads ? index : worker) * floats;
      if (takes_int8(part.weight)) {
        multiply_int8(task, int8->at(row, task.rows));
      } else {
        kernels::block_product(task);
      }
    }
  });
  return y;
}

}  // namespace heed
