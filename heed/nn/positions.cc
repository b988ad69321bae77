#include "heed/nn/positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "heed/base/error.h"
#include "heed/ops/reduce.h"

namespace heed {

Tensor sinusoidal_positions(int64_t tokens, int64_t width, SinusoidOrder order) {
  std::vector<double> rates;  // in double: an angle of 10^5 rounded to f32 is off by 4e-3
  for (int64_t c = 0; c < width; ++c) {
    const auto pair = static_cast<double>(c - c % 2);
    rates.push_back(std::pow(10000.0, -pair / static_cast<double>(width)));
  }
  const auto column = [&](int64_t c) {
    if (order == SinusoidOrder::pairs) return c;
    return c % 2 == 0 ? c / 2 : (width + 1) / 2 + c / 2;
  };
  Tensor table = Tensor::empty({tokens, width});
  float* out = table.data<float>();
  for (int64_t t = 0; t < tokens; ++t, out += width) {
    for (int64_t c = 0; c < width; ++c) {
      const double angle = static_cast<double>(t) * rates[static_cast<size_t>(c)];
      out[column(c)] = static_cast<float>(c % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return table;
}

Tensor Positions::operator()(int64_t tokens, const std::vector<int64_t>& first) const {
  const int64_t longest = std::ranges::max(first) + tokens;
  if (longest > count()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("positions: {} tokens are more than the model's {} positions; cut the "
                            "text",
                            longest, count()));
  }
  const auto rows = [&](int64_t from) {
    return table_.slice(0, unused_ + from, unused_ + from + tokens);
  };
  if (std::ranges::adjacent_find(first, std::not_equal_to<>()) == first.end()) {
    return rows(first[0]).to(DType::f32);
  }
  std::vector<Tensor> parts;
  for (const int64_t from : first) parts.push_back(rows(from).to(DType::f32).unsqueeze(0));
  return concatenate(parts, 0);
}

}  // namespace heed
