// Rows of keys and values, wherever they lie, in pairs of vectors. Included once for each Highway
// target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_ROWS_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_ROWS_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "heed/kernels/cpu/attention_decode_group-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/targets.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

struct Pair {
  Vector a, b;
};

/// kPair elements.
template <Element kElement>
struct WholePair {
  HWY_ALIGN std::byte bytes[kPair * size_of(kElement)];

  /// Where they are: at `row`, or, where only n of them are there, here with zeros behind.
  HWY_INLINE const std::byte* at(const std::byte* row, int64_t n) {
    if (HWY_LIKELY(n == kPair)) return row;
    std::memset(bytes, 0, sizeof(bytes));
    std::memcpy(bytes, row, static_cast<size_t>(n * size_of(kElement)));
    return bytes;
  }
};

/// kPair elements of a row, in places; only n of them are there at the row's end.
template <Element kElement>
HWY_INLINE Pair load_pair(const std::byte* row, int64_t n) {
  const Floats f;
  WholePair<kElement> whole;
  row = whole.at(row, n);
  if constexpr (kElement == Element::f32) {
    const auto* floats = reinterpret_cast<const float*>(row);
    return {hn::LoadU(f, floats), hn::LoadU(f, floats + kLanes)};
  } else if constexpr (kElement == Element::f16) {
    const auto* halves = reinterpret_cast<const uint16_t*>(row);
    return {widen_vector<kElement>(halves), widen_vector<kElement>(halves + kLanes)};
  } else {
    const hn::RebindToUnsigned<Floats> words;
    const auto both = hn::LoadU(words, reinterpret_cast<const uint32_t*>(row));
    return {hn::BitCast(f, hn::ShiftLeft<16>(both)),
            hn::BitCast(f, hn::And(both, hn::Set(words, 0xffff0000U)))};
  }
}

/// A row that will be read, and one that will be sooner.
struct Coming {
  const std::byte* row;
  const std::byte* again;
};

/// What comes after rows[0], `ahead` rows on.
HWY_INLINE Coming coming(const std::byte* const* rows, int64_t ahead, int64_t offset) {
  return {rows[ahead] + offset, rows[kRowsAgain] + offset};
}

/// Asks for the cache lines of kBytes.
template <class Fetch, int64_t kBytes>
HWY_INLINE void fetch_lines(const Coming& rows, int64_t at) {
  __builtin_prefetch(rows.row + at, 0, Fetch::kLocality);
  if constexpr (Fetch::kAgain) __builtin_prefetch(rows.again + at, 0, Fetch::kLocality);
  if constexpr (kBytes > 64) fetch_lines<Fetch, kBytes - 64>(rows, at + 64);
}

/// f(i, n) for the pairs of a row of `count` elements, n of them there.
template <class F>
HWY_INLINE void for_pairs(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + kPair <= count; i += kPair) f(i, kPair);
  if (i < count) f(i, count - i);
}

/// Calls step(integral_constant<heads>, first) over all heads in fours, twos and ones.
template <int kMost, class Step>
HWY_INLINE void in_heads(int64_t heads, int64_t at, const Step& step) {
  for (; at + kMost <= heads; at += kMost) step(std::integral_constant<int, kMost>(), at);
  if constexpr (kMost > 1) in_heads<kMost / 2>(heads, at, step);
}

/// Rows [first, end) of keys or values.
struct Reading {
  const AttentionRows<const std::byte>& of;
  int64_t first, end;
};

/// Where the rows of `now` lie for this kv head, then kKeys times the last, so that keys go in
/// fours, then those of `next`, as many as will be fetched ahead.
void find_rows(const Group& group, const Reading& now, const Reading& next,
               const std::byte** rows) {
  const auto row = [&](const Reading& from, int64_t s) {
    return group.task.problem.key_at(from.of, group.task.b, group.g, s);
  };
  for (int64_t s = now.first; s < now.end; ++s) *rows++ = row(now, s);
  const std::byte* last = rows[-1];
  rows = std::fill_n(rows, kKeys, last);
  for (int64_t i = 0; i < kMostAhead; ++i) {
    *rows++ = next.first + i < next.end ? row(next, next.first + i) : last;
  }
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
