// The largest weights of each query and their keys. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "heed/kernels/cpu/attention_tile-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

using Indices = hn::RebindToSigned<Floats>;

/// The largest scores of each query so far, falling, and their keys; -inf and -1 where there were
/// not so many. Places lie in lanes, because few queries at a time meet a key that is among theirs.
/// Of one place the score is the tile's highest, and only the key is kept.
struct TileTop {
  int64_t size;     // wanted of a query
  float* scores;    // [width][places()]
  int32_t* keys;    // [width][places()]
  float* smallest;  // [width], the score at place size - 1

  int64_t places() const { return size > 1 ? (size + kLanes - 1) / kLanes * kLanes : size; }
  void start(int64_t width) const {
    std::fill_n(scores, places() * width, kHidden);
    std::fill_n(keys, places() * width, -1);
    std::fill_n(smallest, width, kHidden);
  }
};

/// One place: where a query's maximum rises, the first key of the chunk that has it.
template <int kVectors>
HWY_INLINE void find_first(const TileTop& top, const float* all_scores, int64_t first, int64_t n,
                           const Vector* highest) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  const Indices index;
  for (int i = 0; i < kVectors; ++i) {
    float* before = top.smallest + i * kLanes;
    const auto rises = hn::Gt(highest[i], hn::Load(f, before));
    if (hn::AllFalse(f, rises)) continue;
    const float* scores = all_scores + i * kLanes;
    const auto one = hn::Set(index, 1);
    auto key = hn::Set(index, static_cast<int32_t>(first + n));
    auto found = key;
    for (int64_t s = n - 1; s >= 0; --s) {  // the last that is found is the first of equals
      key = hn::Sub(key, one);
      const auto here = hn::Eq(hn::Load(f, scores + s * kWidth), highest[i]);
      found = hn::IfThenElse(hn::RebindMask(index, here), key, found);
    }
    int32_t* keys = top.keys + i * kLanes;
    const auto kept = hn::Load(index, keys);
    hn::Store(hn::IfThenElse(hn::RebindMask(index, rises), found, kept), index, keys);
    hn::Store(hn::Max(highest[i], hn::Load(f, before)), f, before);
  }
}

/// How places move up by one: lane i takes lane i - 1's.
struct OneUp {
  decltype(hn::IndicesFromVec(Floats(), hn::Zero(Indices()))) scores;
  decltype(hn::IndicesFromVec(Indices(), hn::Zero(Indices()))) keys;
};
HWY_INLINE OneUp one_up() {
  const Indices index;
  const auto lanes = hn::Max(hn::Iota(index, -1), hn::Zero(index));
  return {hn::IndicesFromVec(Floats(), lanes), hn::IndicesFromVec(index, lanes)};
}

/// Puts a key among a query's places where its score goes, and those below move down by one: a
/// place takes the score above it where the new one goes higher, else the new one where it beats
/// what stands there. A score must be above to beat, so of equal ones the earlier key stays ahead.
HWY_INLINE void enter_top(float score, int32_t key, const OneUp& up, int64_t places, float* scores,
                          int32_t* keys) {
  const Floats f;
  const Indices index;
  const auto lowest_lane = hn::FirstN(f, 1);
  const Vector entering = hn::Set(f, score);
  const auto entering_key = hn::Set(index, key);
  for (int64_t at = places - kLanes;; at -= kLanes) {
    const float next = at == 0 ? std::numeric_limits<float>::infinity() : scores[at - 1];
    const int32_t next_key = at == 0 ? -1 : keys[at - 1];
    const Vector here = hn::Load(f, scores + at);
    const auto keys_here = hn::Load(index, keys + at);
    const Vector above =
        hn::IfThenElse(lowest_lane, hn::Set(f, next), hn::TableLookupLanes(here, up.scores));
    const auto keys_above =
        hn::IfThenElse(hn::RebindMask(index, lowest_lane), hn::Set(index, next_key),
                       hn::TableLookupLanes(keys_here, up.keys));
    const auto beats = hn::RebindMask(index, hn::Gt(entering, here));
    const auto beats_above = hn::RebindMask(index, hn::Gt(entering, above));
    const auto lower = hn::IfThenElse(beats_above, keys_above, entering_key);
    hn::Store(hn::Max(here, hn::Min(above, entering)), f, scores + at);
    hn::Store(hn::IfThenElse(beats, lower, keys_here), index, keys + at);
    if (!(score > next)) return;
  }
}

constexpr int64_t kTopGroup = 4;  // keys that are looked at together
constexpr int64_t kTopGroups = kAttentionChunk / kTopGroup;

/// The largest score of each group of keys, query by query: [groups][kLanes]. How many groups.
template <int kVectors>
HWY_INLINE int64_t group_highest(const float* scores, int64_t n, float* highest) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  const auto at = [&](int64_t s) HWY_ATTR { return hn::Load(f, scores + s * kWidth); };
  int64_t groups = 0;
  int64_t s = 0;
  for (; s + kTopGroup <= n; s += kTopGroup) {
    const Vector most = hn::Max(hn::Max(at(s), at(s + 1)), hn::Max(at(s + 2), at(s + 3)));
    hn::Store(most, f, highest + groups++ * kLanes);
  }
  if (s == n) return groups;
  Vector most = at(s);
  for (++s; s < n; ++s) most = hn::Max(most, at(s));
  hn::Store(most, f, highest + groups++ * kLanes);
  return groups;
}

/// The size-th largest of the groups' maxima: so many keys at least have scores that are no lower.
HWY_INLINE Vector least_of_top(const float* highest, int64_t groups, int64_t size) {
  const Floats f;
  if (groups < size) return hn::Set(f, kHidden);
  HWY_ALIGN float places[kTopGroups * kLanes];  // [size][kLanes], falling
  std::fill_n(places, size * kLanes, kHidden);
  for (int64_t group = 0; group < groups; ++group) {
    Vector falling = hn::Load(f, highest + group * kLanes);
    for (int64_t i = 0; i < size; ++i) {
      const Vector here = hn::Load(f, places + i * kLanes);
      hn::Store(hn::Max(here, falling), f, places + i * kLanes);
      falling = hn::Min(here, falling);
    }
  }
  return hn::Load(f, places + (size - 1) * kLanes);
}

/// A key of the chunk and the lanes that it may enter.
struct Entering {
  int64_t key;
  uint64_t lanes;
};

/// Notes the keys that enter(at) holds for in some lane, in order. How many. Which they are cannot
/// be predicted, so nothing branches on it: first the groups that have one, then their keys.
template <int kVectors, class Enters>
HWY_INLINE int64_t note_entering(const float* scores, int64_t n, const float* group_scores,
                                 int64_t groups, const Enters& enters, Entering* noted) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  int64_t firsts[kTopGroups + 1];
  int64_t found = 0;
  for (int64_t group = 0; group < groups; ++group) {
    firsts[found] = group * kTopGroup;
    found += hn::AllFalse(f, enters(group_scores + group * kLanes)) ? 0 : 1;
  }
  int64_t count = 0;
  for (int64_t j = 0; j < found; ++j) {
    for (int64_t s = firsts[j]; s < std::min(firsts[j] + kTopGroup, n); ++s) {
      uint64_t lanes = 0;
      hn::StoreMaskBits(f, enters(scores + s * kWidth), reinterpret_cast<uint8_t*>(&lanes));
      noted[count] = {s, lanes};
      count += lanes == 0 ? 0 : 1;
    }
  }
  return count;
}

/// Enters the chunk's keys that are among the top so far. They meet the smallest of the top as it
/// was before the chunk; where there is none yet, what the groups' maxima promise leaves few of
/// them: about nine of 128 for a top of eight.
template <int kVectors>
HWY_INLINE void find_top(const TileTop& top, const float* all_scores, int64_t first, int64_t n,
                         const Vector* highest) {
  if (top.size == 1) return find_first<kVectors>(top, all_scores, first, n, highest);
  const Floats f;
  const Vector hidden = hn::Set(f, kHidden);
  const OneUp up = one_up();
  const int64_t places = top.places();
  for (int i = 0; i < kVectors; ++i) {
    float* smallest = top.smallest + i * kLanes;
    const Vector threshold = hn::Load(f, smallest);
    if (hn::AllFalse(f, hn::Gt(highest[i], threshold))) continue;
    const float* scores = all_scores + i * kLanes;
    HWY_ALIGN float group_scores[kTopGroups * kLanes];
    const int64_t groups = group_highest<kVectors>(scores, n, group_scores);
    const bool some = hn::AllFalse(f, hn::Eq(threshold, hidden));
    const Vector least = some ? hidden : least_of_top(group_scores, groups, top.size);
    const auto enters = [&](const float* at) HWY_ATTR {
      const Vector score = hn::Load(f, at);
      return hn::And(hn::Gt(score, threshold), hn::Ge(score, least));
    };
    Entering noted[kAttentionChunk + 1];
    const int64_t count = note_entering<kVectors>(scores, n, group_scores, groups, enters, noted);
    for (const Entering* entry = noted; entry != noted + count; ++entry) {
      const float* score = scores + entry->key * kVectors * kLanes;
      for (uint64_t lanes = entry->lanes; lanes != 0; lanes &= lanes - 1) {
        const int64_t w = std::countr_zero(lanes);
        const int64_t row = (i * kLanes + w) * places;
        enter_top(score[w], static_cast<int32_t>(first + entry->key), up, places, top.scores + row,
                  top.keys + row);
        smallest[w] = top.scores[row + top.size - 1];
      }
    }
  }
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
