#include "heed/kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

namespace heed::kernels::ref {

double cross_entropy(const CrossEntropyRow& row) {
  const float *x = row.logits, target = x[row.target];
  const double smoothing = row.smoothing, classes = static_cast<double>(row.n);
  const double most = *std::max_element(x, x + row.n);
  double sum = 0.0, below = 0.0;
  for (int64_t j = 0; j < row.n; ++j) {
    sum += std::exp(x[j] - most);
    below += x[j] - most;
  }
  for (int64_t j = 0; row.gradient != nullptr && j < row.n; ++j) {
    const double wanted = (j == row.target ? 1.0 - smoothing : 0.0) + smoothing / classes;
    row.gradient[j] = static_cast<float>(row.factor * (std::exp(x[j] - most) / sum - wanted));
  }
  const double even = smoothing > 0.0 ? smoothing * below / classes : 0.0;
  return std::log(sum) - (1.0 - smoothing) * (target - most) - even;
}

}  // namespace heed::kernels::ref
