#include "heed/kernels/linear.h"

#include <algorithm>
#include <array>

namespace heed::kernels::ref {

void linear(const PackedMatrix& matrix, const LinearTask& task) {
  constexpr int64_t kPanel = PackedMatrix::kPanel;
  for (int64_t p = task.first_panel; p < task.last_panel; ++p) {
    const float* panel = matrix.panel(p);
    const int64_t columns = std::min(kPanel, matrix.outputs() - p * kPanel);
    for (int64_t m = 0; m < task.rows; ++m) {
      const float* x = task.x + m * task.x_stride;
      std::array<float, kPanel> sum{};
      for (int64_t k = 0; k < matrix.inputs(); ++k) {
        for (size_t n = 0; n < sum.size(); ++n) sum[n] += x[k] * panel[k * kPanel + int64_t(n)];
      }
      const float* bias = matrix.bias() + p * kPanel;
      for (size_t n = 0; n < sum.size(); ++n) sum[n] += bias[n];
      float* y = task.y + m * task.y_stride + p * kPanel;
      activate(task.activation, sum.data(), y, columns);
    }
  }
}

}  // namespace heed::kernels::ref
