#include "heed/kernels/int8_product.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/kernels/element.h"

namespace heed::kernels::ref {
namespace {

/// Weights q with what 16 or 32 of them share: w = d (q - zero) + m.
struct Step {
  int codes[kInt8Step];
  float d[2];  // of either half
  float m;
};

float half(const uint8_t* at) { return load_element(Element::f16, at); }
int nibble(const uint8_t* q, int j) { return j < 16 ? q[j] & 15 : q[j - 16] >> 4; }
int fifth(const uint8_t* bits, int j) { return (bits[j / 8] >> j % 8 & 1) << 4; }

int zero_of(BlockKind kind) {
  switch (kind) {
    case BlockKind::q4_0:
      return 8;
    case BlockKind::q5_0:
      return 16;
    case BlockKind::q6_k:
      return 32;
    default:
      return 0;
  }
}

/// One of eight steps of a q4_k or q5_k block.
Step pair_step(const uint8_t* b, bool has_fifth, int g) {
  const uint8_t* s = b + 4;
  const uint8_t* q = b + (has_fifth ? 48 : 16) + g / 2 * 32;
  const int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
  const int minimum = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
  Step step{};
  step.d[0] = step.d[1] = half(b) * static_cast<float>(scale);
  step.m = -half(b + 2) * static_cast<float>(minimum);
  for (int j = 0; j < 32; ++j) {
    step.codes[j] = (q[j] >> g % 2 * 4 & 15) | (has_fifth ? (b[16 + j] >> g & 1) << 4 : 0);
  }
  return step;
}

Step q6_step(const uint8_t* b, int g) {
  const auto* scales = reinterpret_cast<const int8_t*>(b + 192);
  Step step{};
  for (int i = 0; i < 2; ++i) {
    step.d[i] = half(b + 208) * static_cast<float>(scales[2 * g + i]);
  }
  for (int j = 0; j < 32; ++j) {
    const int low = b[g / 4 * 64 + g % 2 * 32 + j] >> g % 4 / 2 * 4 & 15;
    step.codes[j] = low | (b[128 + g / 4 * 32 + j] >> g % 4 * 2 & 3) << 4;
  }
  return step;
}

Step step_of(const BlockRows& weights, int64_t row, int64_t index) {
  const BlockKind kind = weights.kind;
  const int64_t in_block = block_size(kind) / kInt8Step;
  const auto* b =
      reinterpret_cast<const uint8_t*>(weights.row(row)) + index / in_block * block_bytes(kind);
  const int group = static_cast<int>(index % in_block);
  if (kind == BlockKind::q4_k || kind == BlockKind::q5_k) {
    return pair_step(b, kind == BlockKind::q5_k, group);
  }
  if (kind == BlockKind::q6_k) return q6_step(b, group);
  const bool has_minimum = kind == BlockKind::q4_1 || kind == BlockKind::q5_1;
  const bool has_fifth = kind == BlockKind::q5_0 || kind == BlockKind::q5_1;
  Step step{};
  step.d[0] = step.d[1] = half(b);
  if (has_minimum) step.m = half(b + 2);
  const uint8_t* q = b + (has_minimum ? 4 : 2);
  for (int j = 0; j < 32; ++j) {
    step.codes[j] = kind == BlockKind::q8_0 ? static_cast<int8_t>(q[j])
                    : has_fifth             ? nibble(q + 4, j) | fifth(q, j)
                                            : nibble(q, j);
  }
  return step;
}

float add_step(BlockKind kind, const Step& w, const int8_t* codes, const Int8Scale& x, float y) {
  int sums[2] = {0, 0};
  for (int j = 0; j < 32; ++j) sums[j / 16] += (w.codes[j] - zero_of(kind)) * codes[j];
  if (kind == BlockKind::q6_k) {
    y = std::fma(static_cast<float>(sums[0]), w.d[0] * x.scale, y);
    return std::fma(static_cast<float>(sums[1]), w.d[1] * x.scale, y);
  }
  y = std::fma(static_cast<float>(sums[0] + sums[1]), w.d[0] * x.scale, y);
  const bool has_minimum = kind == BlockKind::q4_1 || kind == BlockKind::q5_1 ||
                           kind == BlockKind::q4_k || kind == BlockKind::q5_k;
  return has_minimum ? std::fma(x.scaled_sum, w.m, y) : y;
}

void quantize_step(const float* x, int8_t* codes, Int8Scale& to) {
  float most = 0;
  bool finite = true;
  for (int j = 0; j < 32; ++j) {
    finite = finite && std::isfinite(x[j]);
    most = std::max(most, std::abs(x[j]));
  }
  to = {};
  std::fill_n(codes, 32, int8_t{0});
  if (!finite) to.scale = to.scaled_sum = std::numeric_limits<float>::quiet_NaN();
  if (!finite || most < 0x1p-100F) return;
  const float by = 127.0F / most;
  to.scale = most / 127.0F;
  for (int j = 0; j < 32; ++j) {
    const float code = std::nearbyint(x[j] * by);
    codes[j] = static_cast<int8_t>(code);
    to.minus_sum -= codes[j];
    if (j < 16) to.minus_sum_low -= codes[j];
  }
  to.scaled_sum = to.scale * static_cast<float>(-to.minus_sum);
}

}  // namespace

void quantize_inputs(const float* x, int64_t x_stride, const Int8Inputs& to) {
  const int64_t steps = to.columns / kInt8Step;
  for (int64_t r = 0; r < to.rows; ++r) {
    for (int64_t s = 0; s < steps; ++s) {
      quantize_step(x + r * x_stride + s * kInt8Step, to.codes + r * to.columns + s * kInt8Step,
                    to.scales[r * steps + s]);
    }
  }
}

void int8_product(const Int8ProductTask& task) {
  const int64_t steps = task.x.columns / kInt8Step;
  for (int64_t n = task.first_output; n < task.last_output; ++n) {
    for (int64_t r = 0; r < task.x.rows; ++r) {
      float y = 0;
      for (int64_t s = 0; s < steps; ++s) {
        y = add_step(task.weights.kind, step_of(task.weights, n, s),
                     task.x.codes + r * task.x.columns + s * kInt8Step,
                     task.x.scales[r * steps + s], y);
      }
      if (task.bias != nullptr) y += task.bias[n];
      activate(task.activation, &y, task.y + r * task.y_stride + n, 1);
    }
  }
}

}  // namespace heed::kernels::ref
