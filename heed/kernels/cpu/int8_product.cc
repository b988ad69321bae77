#include "heed/kernels/int8_product.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/int8_product.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/cpu/int8_direct-inl.h"
#include "heed/kernels/cpu/int8_dot-inl.h"
#include "heed/kernels/cpu/int8_panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace int8;

// A tile's sums of integers and of floats must fit in the registers beside what they are made of.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileVectors = 3;
#else
constexpr int kTileVectors = 1;
#endif
constexpr int kTileRows = 4;
static_assert(kInt8Panel % (kTileVectors * kLanes) == 0);

HWY_INLINE FloatVector words_of(const float* at) { return hn::Load(Floats(), at); }

/// A depth of a panel, and where its sums go.
struct Tile {
  const Int8ProductTask& task;
  const Panel& panel;
  Depth depth;
  int64_t row;      // of the inputs
  int64_t first;    // of the panel's outputs
  int64_t outputs;  // of the panel
};

/// kFours / kGroups fours of inputs from `four` on.
template <class Products, int kRows>
HWY_INLINE void add_fours_of(const Tile& tile, int64_t four, int64_t count,
                             IntegerVector (&sums)[kRows][kTileVectors]) {
  for (int64_t q = four; q < four + count; ++q) {
    WordVector w[kTileVectors];
    HEED_UNROLL
    for (int v = 0; v < kTileVectors; ++v) {
      w[v] = hn::BitCast(Words(), words_of(tile.panel.codes[q] + tile.first + v * kLanes));
    }
    HEED_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Int8Inputs& in = tile.task.x;
      const auto x = Products::at(in.codes + (tile.row + r) * in.columns +
                                  tile.depth.first * kInt8Step + 4 * q);
      HEED_UNROLL
      for (int v = 0; v < kTileVectors; ++v) sums[r][v] = Products::add(sums[r][v], w[v], x);
    }
  }
}

template <BlockKind kKind, class Products, int kRows, int kPart>
HWY_INLINE void add_part(const Tile& tile, int64_t s, const Int8Scale* const (&inputs)[kRows],
                         FloatVector (&y)[kRows][kTileVectors]) {
  using Of = Codes<kKind>;
  const Floats f;
  const Integers i;
  IntegerVector sums[kRows][kTileVectors];
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Int8Scale& input = inputs[r][s];
    int32_t minus_sum = Of::kHalves ? input.minus_sum_low : input.minus_sum;
    if (kPart == 1) minus_sum = input.minus_sum - input.minus_sum_low;
    const IntegerVector start =
        Of::kZeroBits == 0 ? hn::Zero(i) : hn::ShiftLeft<Of::kZeroBits>(hn::Set(i, minus_sum));
    HEED_UNROLL
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = start;
  }
  constexpr int64_t kCount = Of::kHalves ? kFours / 2 : kFours;
  add_fours_of<Products>(tile, s * kFours + kPart * kCount, kCount, sums);
  HEED_UNROLL
  for (int v = 0; v < kTileVectors; ++v) {
    const int64_t n = tile.first + v * kLanes;
    const FloatVector d = words_of(tile.panel.scales[2 * s + kPart] + n);
    HEED_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const FloatVector scale = hn::Mul(d, hn::Set(f, inputs[r][s].scale));
      y[r][v] = hn::MulAdd(hn::ConvertTo(f, sums[r][v]), scale, y[r][v]);
    }
    if constexpr (Of::kHasMinimum) {
      const FloatVector m = words_of(tile.panel.scales[2 * s + 1] + n);
      HEED_UNROLL
      for (int r = 0; r < kRows; ++r) {
        y[r][v] = hn::MulAdd(hn::Set(f, inputs[r][s].scaled_sum), m, y[r][v]);
      }
    }
  }
}

template <BlockKind kKind, class Products, int kRows>
HWY_NOINLINE void multiply_tile(const Tile& tile) {
  const Floats f;
  const Int8ProductTask& task = tile.task;
  const int64_t all_steps = task.x.columns / kInt8Step;
  const int64_t output = tile.first;
  const Int8Scale* inputs[kRows];
  float* to[kRows];
  FloatVector y[kRows][kTileVectors];
  for (int r = 0; r < kRows; ++r) {
    inputs[r] = task.x.scales + (tile.row + r) * all_steps + tile.depth.first;
    to[r] = task.y + (tile.row + r) * task.y_stride + output;
  }
  const auto left = [&](int v) {
    return std::clamp<int64_t>(tile.outputs - tile.first - v * kLanes, 0, kLanes);
  };
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kTileVectors; ++v) {
      y[r][v] = tile.depth.first == 0 ? hn::Zero(f) : load(f, to[r] + v * kLanes, left(v));
    }
  }
  for (int64_t s = 0; s < tile.depth.steps; ++s) {
    add_part<kKind, Products, kRows, 0>(tile, s, inputs, y);
    if constexpr (Codes<kKind>::kHalves) add_part<kKind, Products, kRows, 1>(tile, s, inputs, y);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kTileVectors; ++v) store(f, y[r][v], to[r] + v * kLanes, left(v));
  }
}

template <BlockKind kKind, class Products, int kRows = kTileRows>
HWY_INLINE void multiply_rows(const Tile& tile, int64_t rows) {
  if (rows >= kRows) return multiply_tile<kKind, Products, kRows>(tile);
  if constexpr (kRows > 1) multiply_rows<kKind, Products, kRows - 1>(tile, rows);
}

/// All rows of x times panel after panel; sums that are not finished wait in y.
template <BlockKind kKind, class Products>
void multiply_panels(const Int8ProductTask& task) {
  auto& panel = *reinterpret_cast<Panel*>(task.scratch);
  const int64_t steps = task.x.columns / kInt8Step;
  for (int64_t s = 0; s < steps; s += kMaxSteps) {
    const Depth depth{s, std::min(kMaxSteps, steps - s)};
    for (int64_t n = task.first_output; n < task.last_output; n += kInt8Panel) {
      const int64_t outputs = std::min(kInt8Panel, task.last_output - n);
      panel.unpack<kKind>(task.weights, n, outputs, depth);
      Int8ProductTask part = task;
      part.y += n;
      for (int64_t row = 0; row < task.x.rows; row += kTileRows) {
        for (int64_t first = 0; first < outputs; first += kTileVectors * kLanes) {
          multiply_rows<kKind, Products>({part, panel, depth, row, first, outputs},
                                         task.x.rows - row);
        }
      }
    }
  }
}

#if HWY_TARGET == HWY_AVX3
/// One row of x.
template <BlockKind kKind>
void multiply_directly(const Int8ProductTask& task) {
  const Floats f;
  const int64_t steps = task.x.columns / kInt8Step;
  for (int64_t n = task.first_output; n < task.last_output; n += kDirectRows) {
    DirectRows<kKind> rows(task, n);
    FloatVector y = hn::Zero(f);
    for (int64_t s = 0; s < steps; s += kMaxSteps) {
      y = rows.add(y, {s, std::min(kMaxSteps, steps - s)}, task.x.codes + s * kInt8Step,
                   task.x.scales + s);
    }
    store(f, y, task.y + n, std::min(kDirectRows, task.last_output - n));
  }
}
#endif

template <BlockKind kKind>
void multiply(const Int8ProductTask& task) {
  if constexpr (!has_int8_product(kKind)) {
    return;
  } else {
#if HWY_TARGET == HWY_AVX3
    if (internal::uses_byte_products()) {
      return task.x.rows == 1 ? multiply_directly<kKind>(task)
                              : multiply_panels<kKind, ByteProducts>(task);
    }
#endif
    multiply_panels<kKind, WideProducts>(task);
  }
}

template <size_t... kKinds>
void multiply_any(std::index_sequence<kKinds...>, const Int8ProductTask& task) {
  using Function = void (*)(const Int8ProductTask&);
  constexpr Function kFunctions[] = {&multiply<static_cast<BlockKind>(kKinds)>...};
  kFunctions[static_cast<size_t>(task.weights.kind)](task);
}

void finish_row(const Int8ProductTask& task, float* y) {
  const int64_t outputs = task.last_output - task.first_output;
  if (task.x.columns == 0) std::fill_n(y, outputs, 0.0F);
  if (task.bias != nullptr) {
    const float* bias = task.bias + task.first_output;
    for (int64_t n = 0; n < outputs; ++n) y[n] += bias[n];
  }
  with_activation(task.activation, [&](const auto& f) HWY_ATTR { map(y, y, outputs, f); });
}

/// Largest magnitude as the bits of a float: those of NaN are above those of infinity.
HWY_INLINE int32_t largest_bits(const float* x) {
  const Integers i;
  IntegerVector most = hn::Zero(i);
  HEED_UNROLL
  for (int64_t k = 0; k < kInt8Step; k += kLanes) {
    most = hn::Max(most, hn::BitCast(i, hn::Abs(hn::LoadU(Floats(), x + k))));
  }
  return hn::GetLane(hn::MaxOfLanes(i, most));
}

HWY_INLINE void quantize_step(const float* x, int8_t* codes, Int8Scale& to) {
  const Floats f;
  const Integers i;
  const hn::Rebind<int8_t, Floats> bytes;
  const auto most = std::bit_cast<float>(largest_bits(x));
  to = {};
  if (!(most >= 0x1p-100F && most <= std::numeric_limits<float>::max())) {
    std::fill_n(codes, kInt8Step, int8_t{0});
    if (!(most < 1)) to.scale = to.scaled_sum = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  const FloatVector by = hn::Set(f, 127.0F / most);
  IntegerVector sums[2] = {hn::Zero(i), hn::Zero(i)};
  HEED_UNROLL
  for (int64_t k = 0; k < kInt8Step; k += kLanes) {
    const IntegerVector code = hn::NearestInt(hn::Mul(hn::LoadU(f, x + k), by));
    hn::StoreU(hn::DemoteTo(bytes, code), bytes, codes + k);
    sums[k / 16] = hn::Add(sums[k / 16], code);
  }
  to.scale = most / 127.0F;
  to.minus_sum_low = -hn::GetLane(hn::SumOfLanes(i, sums[0]));
  to.minus_sum = to.minus_sum_low - hn::GetLane(hn::SumOfLanes(i, sums[1]));
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
  if (task.first_output == task.last_output) return;
  if (task.x.rows > 0) multiply_any(std::make_index_sequence<kBlockKinds>(), task);
  for (int64_t r = 0; r < task.x.rows; ++r) {
    finish_row(task, task.y + r * task.y_stride + task.first_output);
  }
}

int64_t int8_scratch_bytes() { return sizeof(Panel); }

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {
namespace {

bool machine_has_byte_products() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") != 0;
#else
  return false;
#endif
}

std::atomic<bool>& byte_products() {
  static std::atomic<bool> used = machine_has_byte_products();
  return used;
}

}  // namespace

namespace internal {
void use_byte_products(bool on) { byte_products() = on && machine_has_byte_products(); }
bool uses_byte_products() { return byte_products().load(std::memory_order_relaxed); }
}  // namespace internal

int64_t int8_product_scratch() { return HEED_DISPATCH(int8_scratch_bytes)(); }

void quantize_inputs(const float* x, int64_t x_stride, const Int8Inputs& to) {
  if (active_isa() == Isa::reference) return ref::quantize_inputs(x, x_stride, to);
  HEED_DISPATCH(quantize_inputs)(x, x_stride, to);
}

void int8_product(const Int8ProductTask& task) {
  if (active_isa() == Isa::reference) return ref::int8_product(task);
  HEED_DISPATCH(int8_product)(task);
}

}  // namespace heed::kernels
#endif
