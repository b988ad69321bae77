// What changes the scores of a tile between the product and the softmax. Included once for each
// Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_MASK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_MASK_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_MASK_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_MASK_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

HWY_INLINE float added_by(const AttentionMask& mask, int64_t at) {
  if (mask.bias != nullptr) return mask.bias[at];
  return mask.visible[at] ? 0.0F : kHidden;
}

/// n <= kMaskKeys elements of the mask's rows for a tile, side by side. Where rows lie a power of
/// two apart they share one set of L1, so that a line would come once for every few of its
/// elements.
template <class T>
HWY_INLINE void bring_rows(const T* from, int64_t stride, const Tile& tile, int64_t n,
                           float* rows) {
  constexpr int64_t kRow = kMaskKeys * sizeof(T) / sizeof(float);
  const auto copy = [&](size_t bytes) {
    for (int64_t w = 0; w < tile.queries; ++w) {
      std::memcpy(rows + w * kRow, from + w * stride, bytes);
    }
  };
  if (n == kMaskKeys) {
    copy(kMaskKeys * sizeof(T));
  } else {
    copy(static_cast<size_t>(n) * sizeof(T));
  }
}

/// Hides what a boolean mask with neighbouring keys hides: four of them are one word of each
/// query's row (little-endian).
HWY_INLINE void hide_masked(const bool* from, int64_t stride, const Tile& tile, int64_t n,
                            float* scores) {
  constexpr int64_t kWords = kMaskKeys / 4;
  const Floats f;
  const hn::RebindToUnsigned<Floats> u;
  HWY_ALIGN float rows[kTile * kWords] = {};
  HWY_ALIGN float words[kTile * kWords];
  bring_rows(from, stride, tile, n, rows);
  const auto same = [](Vector bits) HWY_ATTR { return bits; };
  tile_from_rows(rows, kWords, tile.queries, kWords, same, words, tile.width);
  const Vector hidden = hn::Set(f, kHidden);
  for (int64_t s = 0; s < n; ++s) {
    const auto byte = hn::Set(u, uint32_t{0xFF} << (8 * (s % 4)));
    for (int64_t w = 0; w < tile.width; w += kLanes) {
      const auto word = hn::BitCast(u, hn::Load(f, words + s / 4 * tile.width + w));
      const auto unseen = hn::RebindMask(f, hn::Eq(hn::And(word, byte), hn::Zero(u)));
      float* score = scores + s * tile.width + w;
      hn::Store(hn::IfThenElse(unseen, hidden, hn::Load(f, score)), f, score);
    }
  }
}

/// Writes what a mask adds to the scores of a tile over keys [first, first + n), n <= kMaskKeys: 0,
/// -inf or a bias.
HWY_INLINE void stage_mask(const Block& block, const AttentionMask& mask, const Tile& tile,
                           int64_t first, int64_t n) {
  const int64_t corner = mask.offset(block.b, block.h, tile.first, first);
  if (mask.query == 0) {  // one row for all queries
    const Floats f;
    for (int64_t s = 0; s < n; ++s) {
      const Vector added = hn::Set(f, added_by(mask, corner + s * mask.key));
      for (int64_t w = 0; w < tile.width; w += kLanes) {
        hn::Store(added, f, block.stage + s * tile.width + w);
      }
    }
  } else if (mask.bias != nullptr && mask.key == 1) {
    HWY_ALIGN float rows[kTile * kMaskKeys];
    bring_rows(mask.bias + corner, mask.query, tile, n, rows);
    tile_from_rows(rows, kMaskKeys, tile.queries, n, 1.0F, block.stage, tile.width);
  } else {
    for (int64_t w = 0; w < tile.width; ++w) {
      const int64_t row = corner + std::min(w, tile.queries - 1) * mask.query;
      for (int64_t s = 0; s < n; ++s) {
        block.stage[s * tile.width + w] = added_by(mask, row + s * mask.key);
      }
    }
  }
}

/// Adds a mask to the scores; where it is -inf the score is hidden whatever it was. A few keys at a
/// time, so that what is staged stays in L1.
HWY_INLINE void add_mask(const Block& block, const AttentionMask& mask, const Tile& tile,
                         int64_t first, int64_t n) {
  const Floats f;
  const Vector hidden = hn::Set(f, kHidden);
  for (int64_t at = 0; at < n; at += kMaskKeys) {
    const int64_t keys = std::min(kMaskKeys, n - at);
    float* scores = block.scores + at * tile.width;
    if (mask.visible != nullptr && mask.key == 1 && mask.query != 0) {
      const int64_t corner = mask.offset(block.b, block.h, tile.first, first + at);
      hide_masked(mask.visible + corner, mask.query, tile, keys, scores);
      continue;
    }
    stage_mask(block, mask, tile, first + at, keys);
    for (int64_t i = 0; i < keys * tile.width; i += kLanes) {
      const Vector bias = hn::Load(f, block.stage + i);
      const Vector sum = hn::Add(hn::Load(f, scores + i), bias);
      hn::Store(hn::IfThenElse(hn::Eq(bias, hidden), hidden, sum), f, scores + i);
    }
  }
}

/// Scores to softcap * tanh(score / softcap).
HWY_INLINE void cap_scores(const Block& block, int64_t elements) {
  const Floats f;
  const Vector cap = hn::Set(f, block.problem.softcap);
  const Vector inverse = hn::Set(f, 1.0F / block.problem.softcap);
  for (int64_t i = 0; i < elements; i += kLanes) {
    const Vector x = hn::Mul(hn::Load(f, block.scores + i), inverse);
    hn::Store(hn::Mul(cap, tanh(f, x)), f, block.scores + i);
  }
}

/// Adds what depends on the distance alone. For one key the queries' distances are neighbours.
HWY_INLINE void add_distance(const Block& block, const Tile& tile, int64_t first, int64_t n) {
  const Floats f;
  const DistanceBias& bias = block.problem.distance;
  const int64_t distance = block.problem.position(block.b, tile.first) - first - bias.first;
  const float* data = bias.data + block.h * bias.head + distance;
  for (int64_t s = 0; s < n; ++s) {
    for (int64_t w = 0; w < tile.width; w += kLanes) {
      float* at = block.scores + s * tile.width + w;
      hn::Store(hn::Add(hn::Load(f, at), hn::LoadU(f, data - s + w)), f, at);
    }
  }
}

/// Hides keys outside a query's own range, where a diagonal crosses the chunk.
HWY_INLINE void hide_unseen(const Block& block, const Tile& tile, int64_t first, int64_t n) {
  const Floats f;
  HWY_ALIGN float begins[kTile], ends[kTile];  // relative to first: small integers, exact
  for (int64_t w = 0; w < tile.width; ++w) {
    const int64_t t = tile.first + std::min(w, tile.queries - 1);
    const KeyRange keys = visible_keys(block.problem, block.b, t);
    begins[w] = static_cast<float>(std::clamp<int64_t>(keys.begin - first, 0, n));
    ends[w] = static_cast<float>(std::clamp<int64_t>(keys.end - first, 0, n));
  }
  const Vector hidden = hn::Set(f, kHidden);
  const auto hide = [&](int64_t from, int64_t to) HWY_ATTR {
    for (int64_t s = from; s < to; ++s) {
      const Vector key = hn::Set(f, static_cast<float>(s));
      for (int64_t w = 0; w < tile.width; w += kLanes) {
        float* at = block.scores + s * tile.width + w;
        const auto seen =
            hn::And(hn::Ge(key, hn::Load(f, begins + w)), hn::Lt(key, hn::Load(f, ends + w)));
        hn::Store(hn::IfThenElse(seen, hn::Load(f, at), hidden), f, at);
      }
    }
  };
  // What all of the tile's queries see lies between its two diagonals.
  const int64_t common = std::clamp<int64_t>(tile.common.begin - first, 0, n);
  hide(0, common);
  hide(std::clamp<int64_t>(tile.common.end - first, common, n), n);
}

/// Applies whatever changes scores after the product. Whether it did.
HWY_INLINE bool modify_scores(const Block& block, const Tile& tile, int64_t first, int64_t n) {
  const AttentionProblem& problem = block.problem;
  const int64_t elements = n * tile.width;
  if (problem.softcap != 0) cap_scores(block, elements);
  if (problem.distance.data != nullptr) add_distance(block, tile, first, n);
  for (const AttentionMask& mask : problem.masks) add_mask(block, mask, tile, first, n);
  const bool crossed = first < tile.common.begin || first + n > tile.common.end;
  if (crossed) hide_unseen(block, tile, first, n);
  return crossed || problem.softcap != 0 || problem.distance.data != nullptr ||
         !problem.masks.empty();
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
