// AMX's tile registers: eight of 16 rows of 64 bytes, and the product that works on them. Two
// implementations of the same few instructions: the machine's, and a scalar twin with the same bits
// for machines that have none. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_TILES_INL_H_
#undef HEED_KERNELS_CPU_TILES_INL_H_
#else
#define HEED_KERNELS_CPU_TILES_INL_H_
#endif

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileRowBytes = 64;  // 16 f32, or 16 pairs of bf16

#if defined(__x86_64__)

/// The instructions. They are written as assembly because the register is part of the instruction:
/// the compilers' intrinsics are macros that take a literal number, and need the file or function
/// to be compiled for AMX.
struct MachineTiles {
  /// Every tile 16 rows of 64 bytes; each thread before its first use.
  static void configure() {
    struct alignas(64) Configuration {
      uint8_t palette = 1, first_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    static_assert(sizeof(Configuration) == 64);
    static constexpr Configuration configuration;
    asm volatile("ldtilecfg %0" ::"m"(configuration));
  }
  /// Afterwards a thread's switches save no tiles any more.
  static void release() { asm volatile("tilerelease"); }

  template <int kTile>
  static void load(const void* rows, int64_t stride_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride_bytes), "i"(kTile)
                 : "memory");
  }
  template <int kTile>
  static void store(void* rows, int64_t stride_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride_bytes), "i"(kTile)
                 : "memory");
  }
  template <int kTile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  /// sum[m][n] += a[m] . b[][n], see ScalarTiles.
  template <int kSum, int kA, int kB>
  static void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
};

#endif

/// The same in scalar code, after the instructions' descriptions in Intel's manual. a holds 16 rows
/// of 32 bf16, b 16 rows of 16 pairs: column n of the matrix b stands for is b[0][n] and its
/// neighbour, b[1][n] and its neighbour, and so on. The products of a row and a column are added in
/// two chains, those of the first and those of the second of each pair, with one rounding a step
/// (FMA, to nearest even); the two are added, and then their sum to what was there. Numbers below
/// 2^-126 count as 0, on the way in and out, whatever the thread's rounding modes are.
struct ScalarTiles {
  static void configure() {}
  static void release() {}

  template <int kTile>
  static void load(const void* rows, int64_t stride_bytes) {
    for (int64_t r = 0; r < kTileRows; ++r) {
      std::memcpy(tile(kTile)[r], static_cast<const std::byte*>(rows) + r * stride_bytes,
                  kTileRowBytes);
    }
  }
  template <int kTile>
  static void store(void* rows, int64_t stride_bytes) {
    for (int64_t r = 0; r < kTileRows; ++r) {
      std::memcpy(static_cast<std::byte*>(rows) + r * stride_bytes, tile(kTile)[r], kTileRowBytes);
    }
  }
  template <int kTile>
  static void zero() {
    std::memset(tile(kTile), 0, kTileRows * kTileRowBytes);
  }
  template <int kSum, int kA, int kB>
  static void multiply() {
    for (int64_t m = 0; m < kTileRows; ++m) {
      float chains[2][16] = {};
      for (int64_t k = 0; k < kTileRows; ++k) {
        for (int odd = 0; odd < 2; ++odd) {
          const float a = half(tile(kA)[m][k], odd);
          for (int64_t n = 0; n < 16; ++n) {
            chains[odd][n] = flushed(std::fma(a, half(tile(kB)[k][n], odd), chains[odd][n]));
          }
        }
      }
      for (int64_t n = 0; n < 16; ++n) {
        const float sum = flushed(chains[0][n] + chains[1][n]);
        const float more = flushed(number(tile(kSum)[m][n]) + sum);
        std::memcpy(&tile(kSum)[m][n], &more, sizeof(more));
      }
    }
  }

 private:
  using Tile = uint32_t[kTileRows][16];
  static Tile& tile(int index) {
    alignas(64) static thread_local Tile tiles[8];
    return tiles[index];
  }
  static float flushed(float x) { return std::abs(x) < FLT_MIN ? std::copysign(0.0F, x) : x; }
  static float number(uint32_t bits) { return flushed(std::bit_cast<float>(bits)); }
  static float half(uint32_t pair, int odd) {
    return number(odd == 0 ? pair << 16 : pair & 0xffff0000U);
  }
};

/// kRows x kColumns sums, held in tiles, of a product: sum[r][c] += a[r] b[c]. A tile of sums lies
/// beside the next (16 floats on) and above the next (16 rows on).
template <class Tiles, int kRows, int kColumns>
struct TileSums {
  static_assert(kRows <= 2 && kColumns <= 2);

  template <class F>
  HWY_INLINE static void each(const F& f) {
    f(std::integral_constant<int, 0>(), std::integral_constant<int, 0>());
    if constexpr (kColumns > 1)
      f(std::integral_constant<int, 0>(), std::integral_constant<int, 1>());
    if constexpr (kRows > 1) f(std::integral_constant<int, 1>(), std::integral_constant<int, 0>());
    if constexpr (kRows > 1 && kColumns > 1) {
      f(std::integral_constant<int, 1>(), std::integral_constant<int, 1>());
    }
  }
  HWY_INLINE static void zero() {
    each([](auto r, auto c) { Tiles::template zero<2 * r + c>(); });
  }
  HWY_INLINE static void load(const float* sums, int64_t stride) {
    each([&](auto r, auto c) {
      Tiles::template load<2 * r + c>(sums + 16 * (r * stride + c), 4 * stride);
    });
  }
  HWY_INLINE static void store(float* sums, int64_t stride) {
    each([&](auto r, auto c) {
      Tiles::template store<2 * r + c>(sums + 16 * (r * stride + c), 4 * stride);
    });
  }
  /// a: 16 kRows rows, stride bytes apart, of 32 bf16. b: 16 rows, b_stride apart, of 16 kColumns
  /// pairs.
  HWY_INLINE static void multiply(const std::byte* a, int64_t a_stride_bytes, const uint32_t* b,
                                  int64_t b_stride) {
    Tiles::template load<4>(a, a_stride_bytes);
    if constexpr (kRows > 1) Tiles::template load<5>(a + 16 * a_stride_bytes, a_stride_bytes);
    Tiles::template load<6>(b, 4 * b_stride);
    if constexpr (kColumns > 1) Tiles::template load<7>(b + 16, 4 * b_stride);
    each([](auto r, auto c) { Tiles::template multiply<2 * r + c, 4 + r, 6 + c>(); });
  }
};

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
