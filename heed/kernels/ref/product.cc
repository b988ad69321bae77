#include "heed/kernels/product.h"

#include <cstddef>

#include "heed/kernels/element.h"

namespace heed::kernels::ref {
namespace {

double rounded(Precision precision, float x) {
  if (precision == Precision::f32) return x;
  std::byte bits[sizeof(uint16_t)];
  store_element(Element::bf16, x, bits);
  return load_element(Element::bf16, bits);
}

}  // namespace

void product(const ProductTask& task) {
  const Operand &a = task.a, &b = task.b;
  for (int64_t i = 0; i < task.rows; ++i) {
    float* c = task.c + i * task.c_stride;
    for (int64_t j = 0; j < task.columns; ++j) {
      double sum = task.accumulate ? c[j] : 0.0;
      for (int64_t k = 0; k < task.depth; ++k) {
        sum += rounded(task.precision, a.data[i * a.row + k * a.column]) *
               rounded(task.precision, b.data[k * b.row + j * b.column]);
      }
      if (task.bias != nullptr) sum += task.bias[j];
      c[j] = static_cast<float>(sum);
    }
    if (task.activated == nullptr) continue;
    activate(task.activation, c, task.activated + i * task.c_stride, task.columns);
  }
}

void column_sums(const float* x, int64_t stride, int64_t rows, int64_t columns, bool accumulate,
                 float* sums) {
  for (int64_t j = 0; j < columns; ++j) {
    double sum = accumulate ? sums[j] : 0.0;
    for (int64_t i = 0; i < rows; ++i) sum += x[i * stride + j];
    sums[j] = static_cast<float>(sum);
  }
}

}  // namespace heed::kernels::ref
