#include "heed/kernels/blocks.h"

#include <algorithm>
#include <cmath>

#include "heed/base/error.h"
#include "heed/kernels/element.h"

namespace heed::kernels::ref {
namespace {

float half(const uint8_t* at) { return load_element(Element::f16, at); }

/// Number j of 32 in 16 bytes: their low halves, then their high ones.
int four_bits(const uint8_t* q, int j) { return j < 16 ? q[j] & 15 : q[j - 16] >> 4; }
/// Bit j, where the fifth bit belongs.
int fifth_bit(const uint8_t* bits, int j) { return (bits[j / 8] >> j % 8 & 1) << 4; }

/// The six-bit scale and minimum of group g of eight.
struct Pair {
  int scale;
  int minimum;
};
Pair pair_of(const uint8_t* s, int g) {
  if (g < 4) return {s[g] & 63, s[g + 4] & 63};
  return {(s[g + 4] & 15) | s[g - 4] >> 6 << 4, s[g + 4] >> 4 | s[g] >> 6 << 4};
}

/// q4_k and q5_k: 8 groups of 32.
void dequantize_groups(const uint8_t* b, const uint8_t* fifth, const uint8_t* q, float* w) {
  const float d = half(b);
  const float least = half(b + 2);
  for (int g = 0; g < 8; ++g) {
    const Pair pair = pair_of(b + 4, g);
    const float scale = d * static_cast<float>(pair.scale);
    const float minimum = least * static_cast<float>(pair.minimum);
    for (int j = 0; j < 32; ++j) {
      int bits = q[g / 2 * 32 + j] >> g % 2 * 4 & 15;
      if (fifth != nullptr) bits |= (fifth[j] >> g & 1) << 4;
      w[g * 32 + j] = scale * static_cast<float>(bits) - minimum;
    }
  }
}

/// 2 halves of 4 groups of 32.
void dequantize_q6_k(const uint8_t* b, float* w) {
  const uint8_t* low = b;
  const uint8_t* high = b + 128;
  const auto* scales = reinterpret_cast<const int8_t*>(b + 192);
  const float d = half(b + 208);
  for (int i = 0; i < 256; ++i) {
    const int h = i / 128, g = i % 128 / 32, j = i % 32;
    const int lower = low[h * 64 + g % 2 * 32 + j] >> g / 2 * 4 & 15;
    const int upper = high[h * 32 + j] >> g * 2 & 3;
    const int sixteen = i / 16;
    const float scale = d * static_cast<float>(scales[sixteen]);
    w[i] = scale * static_cast<float>((lower | upper << 4) - 32);
  }
}

void dequantize_block(BlockKind kind, const std::byte* block, float* w) {
  const auto* b = reinterpret_cast<const uint8_t*>(block);
  switch (kind) {
    case BlockKind::f32:
      *w = load_element(Element::f32, b);
      return;
    case BlockKind::f16:
      *w = half(b);
      return;
    case BlockKind::bf16:
      *w = load_element(Element::bf16, b);
      return;
    case BlockKind::q4_0:
      for (int j = 0; j < 32; ++j) w[j] = half(b) * static_cast<float>(four_bits(b + 2, j) - 8);
      return;
    case BlockKind::q4_1:
      for (int j = 0; j < 32; ++j) {
        w[j] = half(b) * static_cast<float>(four_bits(b + 4, j)) + half(b + 2);
      }
      return;
    case BlockKind::q5_0:
      for (int j = 0; j < 32; ++j) {
        const int q = four_bits(b + 6, j) | fifth_bit(b + 2, j);
        w[j] = half(b) * static_cast<float>(q - 16);
      }
      return;
    case BlockKind::q5_1:
      for (int j = 0; j < 32; ++j) {
        const int q = four_bits(b + 8, j) | fifth_bit(b + 4, j);
        w[j] = half(b) * static_cast<float>(q) + half(b + 2);
      }
      return;
    case BlockKind::q8_0:
      for (int j = 0; j < 32; ++j) {
        w[j] = half(b) * static_cast<float>(static_cast<int8_t>(b[2 + j]));
      }
      return;
    case BlockKind::q4_k:
      return dequantize_groups(b, nullptr, b + 16, w);
    case BlockKind::q5_k:
      return dequantize_groups(b, b + 16, b + 48, w);
    case BlockKind::q6_k:
      return dequantize_q6_k(b, w);
  }
}

/// What is nearest to x in [0, most], its fraction dropped; some number for a NaN.
int to_integer(float x, float least, float most) {
  return static_cast<int>(x >= least ? std::min(x, most) : least);
}

float inverse(float d) { return d == 0 ? 0 : 1 / d; }

void store_halves(const float* numbers, std::byte* to) {  // 32 of four bits
  for (int j = 0; j < 16; ++j) {
    to[j] = static_cast<std::byte>(static_cast<int>(numbers[j]) | static_cast<int>(numbers[j + 16])
                                                                      << 4);
  }
}

void quantize_q4_0(const float* x, std::byte* to) {
  const float extreme =
      *std::max_element(x, x + 32, [](float a, float b) { return std::abs(a) < std::abs(b); });
  const float d = extreme / -8;
  const double by = inverse(d);
  float q[32];
  for (int j = 0; j < 32; ++j) {  // gguf rounds here in f64 and then to f32
    q[j] = static_cast<float>(to_integer(static_cast<float>(x[j] * by + 8.5), 0, 15));
  }
  store_element(Element::f16, d, to);
  store_halves(q, to + 2);
}

void quantize_q4_1(const float* x, std::byte* to) {
  const auto [least, most] = std::minmax_element(x, x + 32);
  const float d = (*most - *least) / 15;
  const float by = inverse(d);
  float q[32];
  for (int j = 0; j < 32; ++j) {
    q[j] = static_cast<float>(to_integer((x[j] - *least) * by + 0.5F, 0, 15));
  }
  store_element(Element::f16, d, to);
  store_element(Element::f16, *least, to + 2);
  store_halves(q, to + 4);
}

void quantize_q8_0(const float* x, std::byte* to) {
  float most = 0;
  for (int j = 0; j < 32; ++j) most = std::max(most, std::abs(x[j]));
  const float d = most / 127;
  const float by = inverse(d);
  store_element(Element::f16, d, to);
  for (int j = 0; j < 32; ++j) {
    to[2 + j] = static_cast<std::byte>(to_integer(std::round(x[j] * by), -127, 127));
  }
}

void quantize_block(BlockKind kind, const float* x, std::byte* to) {
  switch (kind) {
    case BlockKind::f32:
      return store_element(Element::f32, *x, to);
    case BlockKind::f16:
      return store_element(Element::f16, *x, to);
    case BlockKind::bf16:
      return store_element(Element::bf16, *x, to);
    case BlockKind::q4_0:
      return quantize_q4_0(x, to);
    case BlockKind::q4_1:
      return quantize_q4_1(x, to);
    case BlockKind::q8_0:
      return quantize_q8_0(x, to);
    default:
      HEED_ASSERT(false);
  }
}

}  // namespace

void dequantize(const BlockRows& from, int64_t first, int64_t count, float* to, int64_t stride) {
  const int64_t size = block_size(from.kind);
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* block = from.row(first + i);
    for (int64_t k = 0; k < from.columns; k += size, block += block_bytes(from.kind)) {
      dequantize_block(from.kind, block, to + i * stride + k);
    }
  }
}

void quantize(BlockKind kind, const float* x, int64_t count, std::byte* to) {
  for (int64_t k = 0; k < count; k += block_size(kind), to += block_bytes(kind)) {
    quantize_block(kind, x + k, to);
  }
}

}  // namespace heed::kernels::ref
