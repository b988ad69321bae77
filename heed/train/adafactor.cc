#include <algorithm>
#include <cmath>

#include "heed/base/parallel.h"
#include "heed/kernels/optimizer.h"
#include "heed/train/optimizer_kinds.h"

namespace heed::internal {
namespace {

constexpr int64_t kElementsPerTask = 1 << 15;
constexpr int64_t kMostTasks = 64;  // of a matrix: each keeps a row of column sums

/// A parameter as matrices whose squared gradients are kept as row and column means. A vector is
/// one row, kept whole.
struct Matrices {
  bool factored;
  int64_t count, rows, cols;
  int64_t rows_per_task, tasks_per_matrix;

  explicit Matrices(const Shape& shape) {
    factored = shape.rank() >= 2;
    cols = factored ? shape[-1] : shape.numel();
    rows = factored ? shape[-2] : 1;
    count = shape.numel() == 0 ? 0 : shape.numel() / (rows * cols);
    rows_per_task = std::max({int64_t{1}, kElementsPerTask / std::max<int64_t>(1, cols),
                              (rows + kMostTasks - 1) / kMostTasks});
    tasks_per_matrix = (rows + rows_per_task - 1) / rows_per_task;
  }
  int64_t tasks() const { return count * tasks_per_matrix; }
};

/// Shazeer and Stern 2018, algorithm 4, as transformers' Adafactor computes it.
class Adafactor : public Optimizer {
 public:
  Adafactor(const OptimizerOptions& options, const std::vector<ParameterGroup>& groups)
      : Optimizer(groups), options_(options) {
    for (Slot& slot : slots()) {
      const Shape& shape = slot.weight.shape();
      if (shape.rank() >= 2) {
        const auto leading = std::span(shape.begin(), shape.end());
        Shape columns(leading.first(leading.size() - 2));
        columns.push_back(shape[-1]);
        const Shape rows(leading.first(leading.size() - 1));
        slot.state.emplace_back("exp_avg_sq_row", Tensor::zeros(rows));
        slot.state.emplace_back("exp_avg_sq_col", Tensor::zeros(columns));
      } else {
        slot.state.emplace_back("exp_avg_sq", Tensor::zeros(shape));
      }
      if (options.beta1 > 0) slot.state.emplace_back("exp_avg", Tensor::zeros(shape));
    }
  }

 private:
  void update(double learning_rate, float gradient_factor) override {
    for (Slot& slot : slots()) {
      if (slot.gradient && slot.weight.numel() > 0) {
        update_slot(slot, learning_rate * slot.rate_factor, gradient_factor);
      }
    }
  }

  void update_slot(Slot& slot, double rate, float gradient_factor) {
    const Matrices of(slot.weight.shape());
    const double keep = 1 - std::pow(static_cast<double>(slot.steps_made()), -options_.decay_rate);
    if (options_.scale_parameter) {
      rate *= std::max(options_.scale_epsilon, root_mean_square_of_weights(slot, of));
    }
    if (of.factored) {
      sum_squares_of(slot, of, gradient_factor);
      make_factors(slot, of, keep);
    } else {
      make_factors_of_vector(slot, of, keep, gradient_factor);
    }
    const double size = root_mean_square_of_update(slot, of, gradient_factor);
    const double clip = std::max(1.0, size / options_.clip_threshold);
    apply(slot, of, rate, gradient_factor / clip);
  }

  /// body(matrix, first row, rows, task) for every task, over the threads.
  template <class F>
  static void for_rows(const Matrices& of, F&& body) {
    parallel_for(of.tasks(), [&](int64_t task, int) {
      const int64_t begin = task % of.tasks_per_matrix * of.rows_per_task;
      const int64_t rows = std::min(of.rows_per_task, of.rows - begin);
      const int64_t matrix = task / of.tasks_per_matrix;
      body(matrix, matrix * of.rows + begin, rows, static_cast<size_t>(task));
    });
  }

  double root_mean(const Matrices& of) const {
    double sum = 0;
    for (const double part : sums_) sum += part;
    return std::sqrt(sum / static_cast<double>(of.count * of.rows * of.cols));
  }

  double root_mean_square_of_weights(const Slot& slot, const Matrices& of) {
    sums_.assign(static_cast<size_t>(of.tasks()), 0);
    const float* w = slot.weight.data<float>();
    for_rows(of, [&](int64_t, int64_t row, int64_t rows, size_t task) {
      sums_[task] = kernels::sum_squares(w + row * of.cols, nullptr, 1, rows * of.cols);
    });
    return root_mean(of);
  }

  void sum_squares_of(const Slot& slot, const Matrices& of, float gradient_factor) {
    row_sums_.resize(static_cast<size_t>(of.count * of.rows));
    column_sums_.assign(static_cast<size_t>(of.tasks() * of.cols), 0);
    const float* g = slot.gradient.data<float>();
    const auto epsilon = static_cast<float>(options_.square_epsilon);
    for_rows(of, [&](int64_t, int64_t first, int64_t rows, size_t task) {
      double* columns = &column_sums_[task * static_cast<size_t>(of.cols)];
      for (int64_t row = first; row < first + rows; ++row) {
        row_sums_[static_cast<size_t>(row)] = kernels::adafactor_squares(
            g + row * of.cols, gradient_factor, epsilon, columns, of.cols);
      }
    });
  }

  /// What stands for one over the root of a squared gradient's moving mean: (row / mean of
  /// rows)^-1/2 times column^-1/2.
  void make_factors(Slot& slot, const Matrices& of, double keep) {
    row_factors_.resize(static_cast<size_t>(of.count * of.rows));
    column_factors_.resize(static_cast<size_t>(of.count * of.cols));
    for (int64_t matrix = 0; matrix < of.count; ++matrix) {
      make_row_factors(slot.state[0].second.data<float>(), of, matrix, keep);
      make_column_factors(slot.state[1].second.data<float>(), of, matrix, keep);
    }
  }

  void make_row_factors(float* means, const Matrices& of, int64_t matrix, double keep) {
    double total = 0;
    for (int64_t row = matrix * of.rows; row < (matrix + 1) * of.rows; ++row) {
      const double mean = row_sums_[static_cast<size_t>(row)] / static_cast<double>(of.cols);
      means[row] = static_cast<float>(keep * means[row] + (1 - keep) * mean);
      total += means[row];
    }
    const double mean_of_rows = total / static_cast<double>(of.rows);
    for (int64_t row = matrix * of.rows; row < (matrix + 1) * of.rows; ++row) {
      row_factors_[static_cast<size_t>(row)] =
          static_cast<float>(1 / std::sqrt(means[row] / mean_of_rows));
    }
  }

  void make_column_factors(float* means, const Matrices& of, int64_t matrix, double keep) {
    for (int64_t column = 0; column < of.cols; ++column) {
      double sum = 0;
      for (int64_t task = 0; task < of.tasks_per_matrix; ++task) {
        const int64_t of_task = matrix * of.tasks_per_matrix + task;
        sum += column_sums_[static_cast<size_t>(of_task * of.cols + column)];
      }
      const int64_t at = matrix * of.cols + column;
      means[at] =
          static_cast<float>(keep * means[at] + (1 - keep) * sum / static_cast<double>(of.rows));
      column_factors_[static_cast<size_t>(at)] = 1 / std::sqrt(means[at]);
    }
  }

  void make_factors_of_vector(Slot& slot, const Matrices& of, double keep, float factor) {
    float* means = slot.state[0].second.data<float>();
    const float* g = slot.gradient.data<float>();
    row_factors_.assign(1, 1.0F);
    column_factors_.resize(static_cast<size_t>(of.cols));
    for (int64_t i = 0; i < of.cols; ++i) {
      const double gradient = factor * g[i];
      const double square = gradient * gradient + options_.square_epsilon;
      means[i] = static_cast<float>(keep * means[i] + (1 - keep) * square);
      column_factors_[static_cast<size_t>(i)] = 1 / std::sqrt(means[i]);
    }
  }

  double root_mean_square_of_update(const Slot& slot, const Matrices& of, float gradient_factor) {
    sums_.assign(static_cast<size_t>(of.tasks()), 0);
    const float* g = slot.gradient.data<float>();
    for_rows(of, [&](int64_t matrix, int64_t first, int64_t rows, size_t task) {
      const float* columns = &column_factors_[static_cast<size_t>(matrix * of.cols)];
      for (int64_t row = first; row < first + rows; ++row) {
        const double by = row_factors_[static_cast<size_t>(row)];
        sums_[task] +=
            by * by * kernels::sum_squares(g + row * of.cols, columns, gradient_factor, of.cols);
      }
    });
    return root_mean(of);
  }

  void apply(Slot& slot, const Matrices& of, double rate, double gradient_factor) {
    float* w = slot.weight.data<float>();
    const float* g = slot.gradient.data<float>();
    float* m = options_.beta1 > 0 ? slot.state.back().second.data<float>() : nullptr;
    for_rows(of, [&](int64_t matrix, int64_t first, int64_t rows, size_t) {
      const float* columns = &column_factors_[static_cast<size_t>(matrix * of.cols)];
      for (int64_t row = first; row < first + rows; ++row) {
        const double by = row_factors_[static_cast<size_t>(row)] * rate * gradient_factor;
        const int64_t at = row * of.cols;
        kernels::adafactor({.row_factor = static_cast<float>(by),
                            .decay = static_cast<float>(rate * slot.weight_decay),
                            .beta1 = static_cast<float>(options_.beta1),
                            .one_minus_beta1 = static_cast<float>(1 - options_.beta1)},
                           w + at, g + at, columns, m == nullptr ? nullptr : m + at, of.cols);
      }
    });
  }

  OptimizerOptions options_;
  // scratch, kept from step to step
  std::vector<double> sums_, row_sums_, column_sums_;
  std::vector<float> row_factors_, column_factors_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(const OptimizerOptions& options,
                                          const std::vector<ParameterGroup>& groups) {
  return std::make_unique<Adafactor>(options, groups);
}

}  // namespace heed::internal
