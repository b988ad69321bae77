#include "heed/kernels/block_product.h"

#include <vector>

namespace heed::kernels::ref {

void block_product(const BlockProductTask& task) {
  const int64_t inputs = task.weights.columns;
  std::vector<float> row(static_cast<size_t>(inputs));
  for (int64_t n = task.first_output; n < task.last_output; ++n) {
    ref::dequantize(task.weights, n, 1, row.data(), inputs);
    for (int64_t m = 0; m < task.rows; ++m) {
      float sum = 0;
      for (int64_t k = 0; k < inputs; ++k) {
        sum += task.x[m * task.x_stride + k] * row[static_cast<size_t>(k)];
      }
      if (task.bias != nullptr) sum += task.bias[n];
      activate(task.activation, &sum, task.y + m * task.y_stride + n, 1);
    }
  }
}

}  // namespace heed::kernels::ref
