#include "heed/kernels/dropout.h"

namespace heed::kernels::ref {

void dropout(const Dropout& dropout, int64_t first, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const auto element = static_cast<uint64_t>(dropout.first + first + i);
    const auto draws = philox(dropout.seed, element / 4, PhiloxUse::dropout);
    const bool dropped = draws[element % 4] < dropout.threshold();
    y[i] = dropped ? 0.0F : x[i] * dropout.factor();
  }
}

}  // namespace heed::kernels::ref
