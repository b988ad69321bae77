#include "heed/nn/positions.h"

#include <fmt/format.h>

#include <cmath>

#include "heed/base/error.h"

namespace heed {

Tensor sinusoidal_positions(int64_t tokens, int64_t width) {
  Tensor table = Tensor::empty({tokens, width});
  float* out = table.data<float>();
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t c = 0; c < width; ++c) {
      // in double: an angle of 10^5 rounded to f32 is off by 4e-3
      const auto pair = static_cast<double>(c - c % 2);
      const double angle =
          static_cast<double>(t) * std::pow(10000.0, -pair / static_cast<double>(width));
      *out++ = static_cast<float>(c % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return table;
}

Tensor LearnedPositions::operator()(int64_t tokens) const {
  if (tokens > count()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("positions: {} tokens are more than the model's {} positions; cut the "
                            "text",
                            tokens, count()));
  }
  return table_.slice(0, 0, tokens).to(DType::f32);
}

}  // namespace heed
