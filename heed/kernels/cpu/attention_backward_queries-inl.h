// What keys give to dq, in attention's backward.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_BACKWARD_QUERIES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_BACKWARD_QUERIES_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_BACKWARD_QUERIES_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_BACKWARD_QUERIES_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "heed/kernels/cpu/attention_backward_block-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// dq[r][column + lane] += sum over the tiles' keys of dx[r][key] k[key][column + lane], for kCount
/// rows from r on and kVectors of columns, or `lanes` < kLanes of them.
template <int kCount, int kVectors, bool kPart>
HWY_INLINE void add_keys(const Block& block, int64_t begin, int64_t end, int64_t r, int64_t column,
                         int64_t lanes, float* dq, int64_t dq_row) {
  const Floats f;
  const auto part = hn::FirstN(f, static_cast<size_t>(lanes));
  const auto fetch = [&](const float* p)
                         HWY_ATTR { return kPart ? hn::MaskedLoad(part, f, p) : hn::LoadU(f, p); };
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int i = 0; i < kCount; ++i) {
    HEED_UNROLL
    for (int j = 0; j < kVectors; ++j) sums[i][j] = fetch(dq + i * dq_row + column + j * kLanes);
  }
  for (int64_t at = begin; at < end; ++at) {
    const KeyTile& tile = block.tiles[at];
    const float* dx = tile.dx + r * tile.width;
    const float* k = block.k.at(tile.first) + column;
    for (int64_t s = 0; s < tile.n; ++s, ++dx, k += block.k.row) {
      Vector keys[kVectors];
      HEED_UNROLL
      for (int j = 0; j < kVectors; ++j) keys[j] = fetch(k + j * kLanes);
      HEED_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const Vector factor = hn::Set(f, dx[i * tile.width]);
        HEED_UNROLL
        for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(factor, keys[j], sums[i][j]);
      }
    }
  }
  HEED_UNROLL
  for (int i = 0; i < kCount; ++i) {
    HEED_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      float* to = dq + i * dq_row + column + j * kLanes;
      if constexpr (kPart) {
        hn::BlendedStore(sums[i][j], part, f, to);
      } else {
        hn::StoreU(sums[i][j], f, to);
      }
    }
  }
}

/// add_keys that leaves out pairs of dx = 0: 0 times NaN or infinity is NaN.
void add_keys_carefully(const Block& block, const Queries& queries, int64_t r, float* dq) {
  for (int64_t at = 0; at < block.count; ++at) {
    const KeyTile& tile = block.tiles[at];
    const int64_t end = std::min(tile.n, queries.ends[r] - tile.first);
    for (int64_t s = std::max<int64_t>(0, queries.begins[r] - tile.first); s < end; ++s) {
      const float factor = tile.dx[r * tile.width + s];
      if (factor == 0) continue;
      const float* k = block.k.at(tile.first + s);
      const Floats f;
      for_vectors(block.problem.head_dim, [&](int64_t d, int64_t n) HWY_ATTR {
        store(f, hn::MulAdd(hn::Set(f, factor), load(f, k + d, n), load(f, dq + d, n)), dq + d, n);
      });
    }
  }
}

/// Adds the block's keys to kVectors of columns (or `lanes` < kLanes) of the queries' dq. A strip
/// of k stays in the nearest cache while the rows of dx pass.
template <int kVectors, bool kPart>
void add_to_columns(const Block& block, const Queries& queries, int64_t column, int64_t lanes) {
  const AttentionRows<std::byte>& rows = block.to.dq;
  const int64_t keys = block.keys.end - block.keys.begin;
  in_strides<kRows>(queries.n, 0, [&](auto count, int64_t r) HWY_ATTR {
    if (queries.begins[r] == keys) return;
    block.ahead.some();
    // The tiles that the group of these rows took part in.
    const int64_t begin = queries.begins[r] / kTile;
    const int64_t end = (queries.ends[r + count() - 1] + kTile - 1) / kTile;
    auto* dq = reinterpret_cast<float*>(rows.at(block.b, queries.h, queries.first + r));
    add_keys<count(), kVectors, kPart>(block, begin, end, r, column, lanes, dq, rows.row);
  });
}

void pass_queries(const Block& block, const Queries& queries) {
  const AttentionRows<std::byte>& rows = block.to.dq;
  const int64_t d = block.problem.head_dim;
  for (int64_t r = 0; queries.careful && r < queries.n; ++r) {
    add_keys_carefully(block, queries, r,
                       reinterpret_cast<float*>(rows.at(block.b, queries.h, queries.first + r)));
  }
  if (queries.careful) return;
  int64_t column = 0;
  for (; column + kTile <= d; column += kTile) {
    add_to_columns<kTileVectors, false>(block, queries, column, 0);
  }
  for (; column + kLanes <= d; column += kLanes) {
    add_to_columns<1, false>(block, queries, column, 0);
  }
  if (column < d) add_to_columns<1, true>(block, queries, column, d - column);
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
