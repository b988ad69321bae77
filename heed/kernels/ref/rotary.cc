#include "heed/kernels/rotary.h"

namespace heed::kernels::ref {

void rotary(const RotaryToken& token) {
  const int64_t bytes = size_of(token.element);
  for (int64_t h = 0; h < token.heads; ++h) {
    const std::byte* x = token.x + h * token.x_head * bytes;
    std::byte* y = token.y + h * token.y_head * bytes;
    const auto value = [&](int64_t i) -> double {
      return load_element(token.element, x + i * bytes);
    };
    const auto set = [&](int64_t i, double result) {
      store_element(token.element, static_cast<float>(result), y + i * bytes);
    };
    for (int64_t i = 0; i < token.pairs; ++i) {
      const int64_t first = token.interleaved ? 2 * i : i;
      const int64_t second = token.interleaved ? first + 1 : i + token.pairs;
      const double a = value(first);
      const double b = value(second);
      const double cosine = token.cosines[i];
      const double sine = token.inverse ? -token.sines[i] : token.sines[i];
      set(first, a * cosine - b * sine);
      set(second, b * cosine + a * sine);
    }
    for (int64_t i = 2 * token.pairs; i < token.size; ++i) set(i, value(i));
  }
}

}  // namespace heed::kernels::ref
