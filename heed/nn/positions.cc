#include "heed/nn/positions.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "heed/base/error.h"

namespace heed {

Tensor sinusoidal_positions(int64_t tokens, int64_t width) {
  std::vector<double> rates;  // in double: an angle of 10^5 rounded to f32 is off by 4e-3
  for (int64_t c = 0; c < width; ++c) {
    const auto pair = static_cast<double>(c - c % 2);
    rates.push_back(std::pow(10000.0, -pair / static_cast<double>(width)));
  }
  Tensor table = Tensor::empty({tokens, width});
  float* out = table.data<float>();
  for (int64_t t = 0; t < tokens; ++t) {
    for (size_t c = 0; c < rates.size(); ++c) {
      const double angle = static_cast<double>(t) * rates[c];
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
