// Rows in memory to columns in lanes and back. A tile is [n][W] floats, W a multiple of the vector
// length: lane w of row i holds element i of row w of the matrix. Included once for each target.
#if defined(HEED_KERNELS_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_TRANSPOSE_INL_H_
#undef HEED_KERNELS_CPU_TRANSPOSE_INL_H_
#else
#define HEED_KERNELS_CPU_TRANSPOSE_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace transpose {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

/// Four vectors as 4 x 4 matrices, one a 128-bit block; each is transposed.
struct Four {
  Vector a, b, c, d;
};
HWY_INLINE Four transpose_blocks(const Four& in) {
  const Floats f;
  const hn::Repartition<double, Floats> pair;
  const auto ab_low = hn::BitCast(pair, hn::InterleaveLower(f, in.a, in.b));
  const auto ab_high = hn::BitCast(pair, hn::InterleaveUpper(f, in.a, in.b));
  const auto cd_low = hn::BitCast(pair, hn::InterleaveLower(f, in.c, in.d));
  const auto cd_high = hn::BitCast(pair, hn::InterleaveUpper(f, in.c, in.d));
  return {hn::BitCast(f, hn::InterleaveLower(pair, ab_low, cd_low)),
          hn::BitCast(f, hn::InterleaveUpper(pair, ab_low, cd_low)),
          hn::BitCast(f, hn::InterleaveLower(pair, ab_high, cd_high)),
          hn::BitCast(f, hn::InterleaveUpper(pair, ab_high, cd_high))};
}

/// A matrix whose rows are contiguous; rows past the last repeat it.
struct Rows {
  const float* data;
  int64_t stride;
  int64_t last;
  const float* at(int64_t row) const { return data + std::min(row, last) * stride; }
};

/// Block b of the result: four floats of row first + 4 b.
HWY_INLINE Vector load_blocks(const Rows& rows, int64_t first, int64_t column) {
  const Floats f;
  constexpr auto kBlocks = static_cast<int64_t>(hn::MaxLanes(Floats()) / 4);
  Vector all = hn::LoadDup128(f, rows.at(first + 4 * (kBlocks - 1)) + column);
  for (int64_t b = kBlocks - 2; b >= 0; --b) {
    all = hn::IfThenElse(hn::FirstN(f, static_cast<size_t>(4 * (b + 1))),
                         hn::LoadDup128(f, rows.at(first + 4 * b) + column), all);
  }
  return all;
}

}  // namespace transpose

/// tile[i][w] = change((row w of the matrix)[i]) for i < n, w < width, change on vectors; rows past
/// `rows` repeat the last, so that every lane holds something harmless.
template <class Change>
HWY_INLINE void tile_from_rows(const float* matrix, int64_t stride, int64_t rows, int64_t n,
                               const Change& change, float* HWY_RESTRICT tile, int64_t width) {
  using namespace transpose;
  const Floats f;
  const auto lanes = static_cast<int64_t>(hn::Lanes(f));
  const Rows source{matrix, stride, rows - 1};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int64_t w = 0; w < width; w += lanes) {
      const Four columns =
          transpose_blocks({load_blocks(source, w, i), load_blocks(source, w + 1, i),
                            load_blocks(source, w + 2, i), load_blocks(source, w + 3, i)});
      float* to = tile + i * width + w;
      hn::Store(change(columns.a), f, to);
      hn::Store(change(columns.b), f, to + width);
      hn::Store(change(columns.c), f, to + 2 * width);
      hn::Store(change(columns.d), f, to + 3 * width);
    }
  }
  for (; i < n; ++i) {
    float* to = tile + i * width;
    for (int64_t w = 0; w < width; ++w) to[w] = source.at(w)[i];
    for (int64_t w = 0; w < width; w += lanes) hn::Store(change(hn::Load(f, to + w)), f, to + w);
  }
}

/// The same, times factor.
HWY_INLINE void tile_from_rows(const float* matrix, int64_t stride, int64_t rows, int64_t n,
                               float factor, float* HWY_RESTRICT tile, int64_t width) {
  const transpose::Floats f;
  const auto factors = hwy::HWY_NAMESPACE::Set(f, factor);
  const auto change = [&](transpose::Vector x)
                          HWY_ATTR { return hwy::HWY_NAMESPACE::Mul(x, factors); };
  tile_from_rows(matrix, stride, rows, n, change, tile, width);
}

/// (row w of the matrix)[i] = change(w, tile[i][w]) for i < n, w < rows; change on vectors, from
/// lane w on.
template <class Change>
HWY_INLINE void rows_from_tile(const float* HWY_RESTRICT tile, int64_t width, int64_t n,
                               const Change& change, float* matrix, int64_t stride, int64_t rows) {
  using namespace transpose;
  const Floats f;
  const auto lanes = static_cast<int64_t>(hn::Lanes(f));
  HWY_ALIGN float blocks[4][hn::MaxLanes(Floats())];
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int64_t w = 0; w < rows; w += lanes) {
      const auto row = [&](int64_t k)
                           HWY_ATTR { return change(w, hn::Load(f, tile + (i + k) * width + w)); };
      const Four columns = transpose_blocks({row(0), row(1), row(2), row(3)});
      hn::Store(columns.a, f, blocks[0]);
      hn::Store(columns.b, f, blocks[1]);
      hn::Store(columns.c, f, blocks[2]);
      hn::Store(columns.d, f, blocks[3]);
      const int64_t valid = std::min(lanes, rows - w);
      for (int64_t lane = 0; lane < valid; ++lane) {
        std::memcpy(matrix + (w + lane) * stride + i, &blocks[lane % 4][lane / 4 * 4],
                    4 * sizeof(float));
      }
    }
  }
  for (; i < n; ++i) {
    for (int64_t w = 0; w < rows; w += lanes) {
      hn::Store(change(w, hn::Load(f, tile + i * width + w)), f, blocks[0]);
      const int64_t valid = std::min(lanes, rows - w);
      for (int64_t lane = 0; lane < valid; ++lane)
        matrix[(w + lane) * stride + i] = blocks[0][lane];
    }
  }
}

/// (row w of the matrix)[i] = tile[i][w] for i < n, w < rows.
HWY_INLINE void rows_from_tile(const float* HWY_RESTRICT tile, int64_t width, int64_t n,
                               float* matrix, int64_t stride, int64_t rows) {
  const auto same = [](int64_t /*w*/, transpose::Vector x) HWY_ATTR { return x; };
  rows_from_tile(tile, width, n, same, matrix, stride, rows);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
