#include "heed/kernels/int8_dots.h"

namespace heed::kernels::ref {

void int8_dots(const int8_t* codes, int64_t count, int64_t width, const int16_t* query,
               int32_t* dots) {
  for (int64_t i = 0; i < count; ++i, codes += width) {
    uint32_t sum = 0;  // unsigned: it may wrap around
    for (int64_t k = 0; k < width; ++k) sum += static_cast<uint32_t>(codes[k] * query[k]);
    dots[i] = static_cast<int32_t>(sum);
  }
}

}  // namespace heed::kernels::ref
