#include "heed/ops/linear.h"

#include <algorithm>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/linear.h"
#include "heed/ops/chunks.h"
#include "heed/ops/linear_gradient.h"

namespace heed {
namespace {

using kernels::PackedMatrix;

/// Rows [begin, end) of weight [N, K], any float type and strides, to outputs of the matrix from
/// `first` on.
void pack_rows(PackedMatrix& matrix, int64_t first, const Tensor& weight, int64_t begin,
               int64_t end) {
  const Tensor rows = weight.slice(0, begin, end);
  const Tensor wide = rows.stride(1) == 1 ? rows.to(DType::f32) : rows.to(DType::f32).contiguous();
  matrix.set_rows(first + begin, end - begin, wide.data<float>(), wide.stride(0));
}

std::shared_ptr<const PackedMatrix> pack(const std::vector<Tensor>& weights,
                                         const std::vector<Tensor>& biases) {
  const int64_t outputs = internal::check_weights(weights, biases);
  auto matrix = std::make_shared<PackedMatrix>(outputs, weights[0].size(1));
  int64_t first = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const int64_t rows = weights[i].size(0);
    parallel_chunks(rows, PackedMatrix::kPanel, [&](int64_t begin, int64_t end) {
      pack_rows(*matrix, first, weights[i], begin, end);
    });
    if (biases[i].defined()) {
      const Tensor bias = biases[i].to(DType::f32).contiguous();
      matrix->set_bias(first, rows, bias.data<float>());
    }
    first += rows;
  }
  return matrix;
}

/// Tasks of a product: blocks of rows times groups of panels. No bit of the result depends on it.
struct Split {
  int64_t rows;    // of a block
  int64_t panels;  // of a group
  int64_t row_blocks;
  int64_t groups;
};

Split split_work(int64_t rows, int64_t panels) {
  constexpr int64_t kMaxRows = 128;  // whose inputs stay in L2 (kernels/cpu/linear.cc)
  constexpr int64_t kMinRows = 64;   // that make weights from L3 cheap: 5 GB/s
  constexpr int64_t kRowsTogether = 8;
  constexpr int64_t kTasksPerThread = 16;  // small ones, so that no thread waits long for the last
  auto cuts = [](int64_t size, int64_t part) { return (size + part - 1) / part; };
  const int64_t threads = num_threads();
  Split split{};
  // a thread that has rows of its own finds them in its L2 from product to product
  const int64_t even = cuts(rows, cuts(rows, std::clamp(rows / threads, kMinRows, kMaxRows)));
  split.rows = cuts(even, kRowsTogether) * kRowsTogether;
  split.row_blocks = cuts(rows, split.rows);
  const int64_t tasks = threads == 1 ? 1 : threads * kTasksPerThread;
  split.panels = std::min(panels, cuts(panels * split.row_blocks, tasks));
  split.groups = cuts(panels, split.panels);
  return split;
}

}  // namespace

PackedLinear::PackedLinear(const Tensor& weight, const Tensor& bias)
    : matrix_(pack({weight}, {bias})) {}

PackedLinear::PackedLinear(const std::vector<Tensor>& weights, const std::vector<Tensor>& biases)
    : matrix_(pack(weights, biases)) {}

int64_t PackedLinear::inputs() const { return matrix_ == nullptr ? 0 : matrix_->inputs(); }
int64_t PackedLinear::outputs() const { return matrix_ == nullptr ? 0 : matrix_->outputs(); }

Tensor PackedLinear::operator()(const Tensor& x, Activation activation) const {
  HEED_ASSERT(matrix_ != nullptr);
  internal::check_input(x, inputs());
  if (!recording({&x})) return compute(x, activation);
  return internal::record_fixed(x, compute(x.detach(), Activation::none), activation,
                                [self = *this] { return self.unpacked(); });
}

/// The weights [N, K], rounded as they were packed.
Tensor PackedLinear::unpacked() const {
  const Tensor weight = Tensor::empty({outputs(), inputs()});
  parallel_chunks(outputs(), PackedMatrix::kPanel, [&](int64_t begin, int64_t end) {
    matrix_->get_rows(begin, end - begin, weight.data<float>() + begin * inputs(), inputs());
  });
  return weight;
}

Tensor PackedLinear::compute(const Tensor& x, Activation activation) const {
  Shape shape = x.shape();
  shape[-1] = outputs();
  const Tensor in = x.contiguous();
  const Tensor y = Tensor::empty(shape);
  if (y.numel() == 0) return y;
  const int64_t rows = y.numel() / outputs();
  kernels::LinearTask all{.x = in.data<float>(),
                          .x_stride = inputs(),
                          .y = y.data<float>(),
                          .y_stride = outputs(),
                          .rows = rows,
                          .first_panel = 0,
                          .last_panel = matrix_->panels(),
                          .activation = activation};
  const Split split = split_work(rows, matrix_->panels());
  const int64_t tasks = split.row_blocks * split.groups;
  parallel_for(tasks, [&](int64_t index, int) {
    kernels::LinearTask task = all;
    const int64_t row = index / split.groups * split.rows;
    task.x += row * all.x_stride;
    task.y += row * all.y_stride;
    task.rows = std::min(split.rows, rows - row);
    task.first_panel = index % split.groups * split.panels;
    task.last_panel = std::min(task.first_panel + split.panels, all.last_panel);
    // a thread's tasks are neighbours in order, but for the few it takes from others at the end
    if (index + 1 < tasks) task.next_panel = (index + 1) % split.groups * split.panels;
    kernels::linear(*matrix_, task);
  });
  return y;
}

}  // namespace heed
