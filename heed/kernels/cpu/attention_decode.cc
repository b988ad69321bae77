// One query a head: lanes run along the head for scores and along the values for outputs, so that
// keys and values are read as they lie, once for all the heads that share them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_decode.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_decode.h"
#include "heed/kernels/maker.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using Vector = FloatVector;
constexpr float kHidden = -std::numeric_limits<float>::infinity();
constexpr int kKeys = 4;  // whose scores are summed over the lanes together
// Rows fetched ahead of use. Memory answers after some 10 rows' time; more than this and the rows
// of keys and values push each other out of L1 (measured: 24 beats 32 and 64).
constexpr int64_t kAhead = 24;
// Keys whose values stay in L1 while columns and heads go over them.
constexpr int64_t kValues = 16;
// Rows of keys fetched ahead where the kv heads of a row take turns; values are kValues ahead then.
constexpr int64_t kSharedAhead = 8;

// Rows go in pairs of vectors: two neighbouring bf16 share a word, of which a shift makes the first
// an f32 and a mask the second, one instruction a vector instead of two.
constexpr int64_t kPair = 2 * kLanes;

int64_t rounded(int64_t n) { return (n + kPair - 1) / kPair * kPair; }

/// Where element i of a row stands in its pairs of vectors.
int64_t place_of(Element element, int64_t i) {
  if (element != Element::bf16) return i;
  return i / kPair * kPair + i % 2 * kLanes + i % kPair / 2;
}

/// One call: a kv head's query heads, and where its scratch lies.
struct Group {
  const AttentionProblem& problem;
  int64_t b, g;
  int64_t heads;  // of this kv head
  float* q;       // [heads][D rounded up], times the scale, in places; zeros where none is
  float* scores;  // [heads][kAttentionChunk], then weights
  float* out;     // [heads][E rounded up], in places, relative to highest
  float* highest;
  float* total;
  // [kAttentionChunk + kKeys + kAhead] each: where the chunk's rows lie for the task's first kv
  // head, and what is read next; and how much further on this one's lie.
  const std::byte** keys;
  const std::byte** values;
  int64_t key_offset;
  int64_t value_offset;
  int64_t keys_ahead;  // rows fetched ahead
  int64_t values_ahead;
  bool into_l2;  // where to

  int64_t head(int64_t i) const { return g * heads + i; }
  float* q_row(int64_t i) const { return q + i * rounded(problem.head_dim); }
  float* out_row(int64_t i) const { return out + i * rounded(problem.value_dim); }
};

/// The kv heads of a task and their scratch.
struct Groups {
  const AttentionProblem& problem;
  int64_t b;
  int64_t first, last;
  int64_t heads;  // of each
  float* own;     // a group's q, scores, out, highest and total after another's
  const std::byte** keys;
  const std::byte** values;
  bool into_l2 = made_by_amd();

  Groups(const AttentionProblem& problem_, const DecodeTask& task, float* scratch)
      : problem(problem_),
        b(task.b),
        first(task.first),
        last(task.last),
        heads(problem.heads / problem.kv_heads) {
    constexpr int64_t kFloats = sizeof(void*) / sizeof(float);
    const int64_t rows = up((kAttentionChunk + kAhead + kKeys) * kFloats);
    keys = reinterpret_cast<const std::byte**>(scratch);
    values = reinterpret_cast<const std::byte**>(scratch + rows);
    own = scratch + 2 * rows;
  }

  Group at(int64_t g) const {
    const int64_t q = heads * rounded(problem.head_dim), out = heads * rounded(problem.value_dim);
    const int64_t scores = up(heads * kAttentionChunk + kKeys);
    float* mine = own + (g - first) * (q + scores + out + 2 * up(heads));
    return {.problem = problem,
            .b = b,
            .g = g,
            .heads = heads,
            .q = mine,
            .scores = mine + q,
            .out = mine + q + scores,
            .highest = mine + q + scores + out,
            .total = mine + q + scores + out + up(heads),
            .keys = keys,
            .values = values,
            .key_offset = (g - first) * problem.k.head * size_of(problem.k.element),
            .value_offset = (g - first) * problem.v.head * size_of(problem.v.element),
            .keys_ahead = last - first == 1 ? kAhead : kSharedAhead,
            .values_ahead = last - first == 1 ? kAhead : kValues,
            .into_l2 = into_l2};
  }

  template <class F>
  HWY_INLINE void for_each(const F& f) const {
    for (int64_t g = first; g < last; ++g) f(at(g));
  }

  /// One of them with its scratch.
  Groups alone(int64_t g) const {
    Groups one = *this;
    one.own = at(g).q;
    one.first = g;
    one.last = g + 1;
    return one;
  }

 private:
  static constexpr int64_t up(int64_t n) { return (n + 15) / 16 * 16; }
};

struct Pair {
  Vector a, b;
};

/// kPair elements of a row from i on, in places; only n of them are there at the row's end.
template <Element kElement>
HWY_INLINE Pair load_pair(const std::byte* row, int64_t i, int64_t n) {
  const Floats f;
  row += i * size_of(kElement);
  HWY_ALIGN std::byte whole[kPair * sizeof(float)];
  if (HWY_UNLIKELY(n < kPair)) {
    std::memset(whole, 0, sizeof(whole));
    std::memcpy(whole, row, static_cast<size_t>(n * size_of(kElement)));
    row = whole;
  }
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

/// Asks for the cache lines of a pair. On AMD's into L2: what Zen 4's L1 waits for at a time, 24
/// lines, holds reading to 9 GB/s, where L2's gives 1.5 to 1.9 times that.
template <Element kElement>
HWY_INLINE void fetch_pair(const Group& group, const std::byte* row, int64_t i) {
  constexpr int64_t kBytes = kPair * size_of(kElement);
  constexpr int kNear = 3, kL2 = 2;  // the instruction's "locality"
  row += i * size_of(kElement);
  for (int64_t line = 0; line < kBytes; line += 64) {
    group.into_l2 ? __builtin_prefetch(row + line, 0, kL2)
                  : __builtin_prefetch(row + line, 0, kNear);
  }
}

/// f(i, n) for the pairs of a row of `count` elements, n of them there.
template <class F>
HWY_INLINE void for_pairs(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + kPair <= count; i += kPair) f(i, kPair);
  if (i < count) f(i, count - i);
}

/// The four sums over the lanes, in an order that the number of lanes fixes.
HWY_INLINE void store_sums(const Vector (&x)[kKeys], float* to) {
  const Floats f;
  const hn::Repartition<double, Floats> pair;
  const hn::Full128<float> block;
  const auto halves = [&](Vector a, Vector b) HWY_ATTR {
    return hn::BitCast(pair, hn::Add(hn::InterleaveLower(f, a, b), hn::InterleaveUpper(f, a, b)));
  };
  const auto ab = halves(x[0], x[1]);
  const auto cd = halves(x[2], x[3]);
  const Vector sums = hn::Add(hn::BitCast(f, hn::InterleaveLower(pair, ab, cd)),
                              hn::BitCast(f, hn::InterleaveUpper(pair, ab, cd)));
  HWY_ALIGN float lanes[kLanes];
  hn::Store(sums, f, lanes);
  auto sum = hn::Load(block, lanes);
  for (int64_t i = 4; i < kLanes; i += 4) sum = hn::Add(sum, hn::Load(block, lanes + i));
  hn::StoreU(sum, block, to);
}

/// scores[head][key] for kHeads heads from `first` on and kKeys keys.
template <Element kElement, int kHeads>
HWY_INLINE void score_keys(const Group& group, int64_t first, int64_t key, float* scores) {
  const std::byte* rows[kKeys];
  const std::byte* next[kKeys];
  for (int64_t s = 0; s < kKeys; ++s) {
    rows[s] = group.keys[key + s] + group.key_offset;
    next[s] = group.keys[key + s + group.keys_ahead] + group.key_offset;
  }
  const bool fetch = first == 0;  // the other heads find them near
  const Floats f;
  Vector sums[kHeads][kKeys];
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int s = 0; s < kKeys; ++s) sums[h][s] = hn::Zero(f);
  }
  const float* q = group.q_row(first);
  const int64_t pitch = rounded(group.problem.head_dim);
  for_pairs(group.problem.head_dim, [&](int64_t d, int64_t n) HWY_ATTR {
    Pair keys[kKeys] = {};
    HEED_UNROLL
    for (int s = 0; s < kKeys; ++s) {
      if (fetch) fetch_pair<kElement>(group, next[s], d);
      keys[s] = load_pair<kElement>(rows[s], d, n);
    }
    HEED_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const Vector a = hn::Load(f, q + h * pitch + d);
      const Vector b = hn::Load(f, q + h * pitch + d + kLanes);
      HEED_UNROLL
      for (int s = 0; s < kKeys; ++s) {
        sums[h][s] = hn::MulAdd(b, keys[s].b, hn::MulAdd(a, keys[s].a, sums[h][s]));
      }
    }
  });
  for (int h = 0; h < kHeads; ++h) store_sums(sums[h], scores + h * kAttentionChunk);
}

/// Calls step(integral_constant<heads>, first) over all heads in fours, twos and ones.
template <int kMost, class Step>
HWY_INLINE void in_heads(int64_t heads, int64_t at, const Step& step) {
  for (; at + kMost <= heads; at += kMost) step(std::integral_constant<int, kMost>(), at);
  if constexpr (kMost > 1) in_heads<kMost / 2>(heads, at, step);
}

/// Biases, masks and softcap on scores of keys [first, first + n).
void modify_scores(const Group& group, int64_t i, int64_t first, int64_t n, float* scores) {
  const AttentionProblem& problem = group.problem;
  const Floats f;
  const int64_t h = group.head(i);
  if (problem.softcap != 0) {
    const Vector cap = hn::Set(f, problem.softcap);
    const Vector inverse = hn::Set(f, 1.0F / problem.softcap);
    map(scores, scores, n,
        [&](Vector x) HWY_ATTR { return hn::Mul(cap, tanh(f, hn::Mul(x, inverse))); });
  }
  if (problem.distance.data != nullptr) {
    const int64_t p = problem.position(group.b, 0);
    for (int64_t s = 0; s < n; ++s) scores[s] += problem.distance.at(h, p - first - s);
  }
  for (const AttentionMask& mask : problem.masks) {
    const int64_t at = mask.offset(group.b, h, 0, first);
    for (int64_t s = 0; s < n; ++s) {
      const int64_t element = at + s * mask.key;
      if (mask.visible != nullptr ? !mask.visible[element] : mask.bias[element] == kHidden) {
        scores[s] = kHidden;
      } else if (mask.bias != nullptr) {
        scores[s] += mask.bias[element];
      }
    }
  }
}

/// Scores of a chunk to weights; highest, total and what is summed so far follow.
void soften(const Group& group, int64_t i, int64_t first, int64_t n) {
  const AttentionProblem& problem = group.problem;
  const Floats f;
  float* scores = group.scores + i * kAttentionChunk;
  modify_scores(group, i, first, n, scores);
  if (float* row = recorded_scores(problem, group.b, group.head(i), 0)) {
    std::copy_n(scores, n, row + first);
  }
  Vector most = hn::Set(f, group.highest[i]);
  for_vectors(n, [&](int64_t s, int64_t lanes)
                     HWY_ATTR { most = hn::Max(most, load(f, scores + s, lanes, kHidden)); });
  const float highest = hn::GetLane(hn::MaxOfLanes(f, most));
  const Vector base = hn::Set(f, highest == kHidden ? 0.0F : highest);
  const Vector factor = exp_of_negative(f, hn::Sub(hn::Set(f, group.highest[i]), base));
  const float sum = sum_vectors(n, [&](int64_t s, int64_t lanes) HWY_ATTR {
    const Vector weight = exp_of_negative(f, hn::Sub(load(f, scores + s, lanes, kHidden), base));
    store(f, weight, scores + s, lanes);
    return weight;
  });
  group.total[i] = group.total[i] * hn::GetLane(factor) + sum;
  group.highest[i] = highest;
  map(group.out_row(i), group.out_row(i), rounded(problem.value_dim),
      [&](Vector x) HWY_ATTR { return hn::Mul(x, factor); });
  if (!problem.dropout.on()) return;
  for (int64_t s = 0; s < n; ++s) {
    scores[s] *=
        dropout_factor(problem.dropout, group.b * problem.heads + group.head(i), 0, first + s);
  }
}

/// out += weights . values over the n keys from s on, for kHeads heads from `first` on and kPairs
/// pairs of columns from e, of which `columns` are there.
template <Element kElement, int kHeads, int kPairs>
HWY_INLINE void add_values(const Group& group, int64_t first, int64_t s, int64_t n, int64_t e,
                           int64_t columns) {
  const bool fetch = first == 0;
  const Floats f;
  Pair sums[kHeads][kPairs] = {};
  const auto out = [&](int h, int i) { return group.out_row(first + h) + e + i * kPair; };
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sums[h][i] = {hn::Load(f, out(h, i)), hn::Load(f, out(h, i) + kLanes)};
    }
  }
  const float* weights = group.scores + first * kAttentionChunk;
  for (const int64_t end = s + n; s < end; ++s) {
    Pair values[kPairs] = {};
    const std::byte* row = group.values[s] + group.value_offset;
    const std::byte* next = group.values[s + group.values_ahead] + group.value_offset;
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      if (fetch) fetch_pair<kElement>(group, next, e + i * kPair);
      values[i] = load_pair<kElement>(row, e + i * kPair, columns);
    }
    HEED_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const Vector weight = hn::Set(f, weights[h * kAttentionChunk + s]);
      HEED_UNROLL
      for (int i = 0; i < kPairs; ++i) {
        sums[h][i].a = hn::MulAdd(weight, values[i].a, sums[h][i].a);
        sums[h][i].b = hn::MulAdd(weight, values[i].b, sums[h][i].b);
      }
    }
  }
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      hn::Store(sums[h][i].a, f, out(h, i));
      hn::Store(sums[h][i].b, f, out(h, i) + kLanes);
    }
  }
}

/// add_values that leaves out keys of weight 0: 0 times NaN or infinity is NaN.
template <Element kElement>
void add_values_carefully(const Group& group, int64_t i, int64_t n) {
  const Floats f;
  float* out = group.out_row(i);
  for (int64_t s = 0; s < n; ++s) {
    const float weight = group.scores[i * kAttentionChunk + s];
    if (weight == 0) continue;
    for_pairs(group.problem.value_dim, [&](int64_t e, int64_t columns) HWY_ATTR {
      const Pair value = load_pair<kElement>(group.values[s] + group.value_offset, e, columns);
      float* to = out + e;
      hn::Store(hn::MulAdd(hn::Set(f, weight), value.a, hn::Load(f, to)), f, to);
      to += kLanes;
      hn::Store(hn::MulAdd(hn::Set(f, weight), value.b, hn::Load(f, to)), f, to);
    });
  }
}

/// Rows [first, end) of keys or values.
struct Reading {
  const AttentionRows<const std::byte>& of;
  int64_t first, end;
};

/// Where the rows of `now` lie for the first kv head, then kKeys times the last, so that keys go in
/// fours, then those of `next`, as many as will be fetched ahead.
void find_rows(const Groups& groups, const Reading& now, const Reading& next,
               const std::byte** rows) {
  const auto row = [&](const Reading& from, int64_t s) {
    return groups.problem.key_at(from.of, groups.b, groups.first, s);
  };
  for (int64_t s = now.first; s < now.end; ++s) *rows++ = row(now, s);
  const std::byte* last = rows[-1];
  rows = std::fill_n(rows, kKeys, last);
  for (int64_t i = 0; i < kAhead; ++i) {
    *rows++ = next.first + i < next.end ? row(next, next.first + i) : last;
  }
}

/// Adds the values of the n keys from s on.
template <Element kElement>
void add_block(const Group& group, int64_t s, int64_t n) {
  const int64_t width = group.problem.value_dim;
  in_heads<4>(group.heads, 0, [&](auto count, int64_t h) HWY_ATTR {
    constexpr int kPairs = count() == 4 ? 2 : 4;  // 16 sums, or 8
    int64_t e = 0;
    for (; e + kPairs * kPair <= width; e += kPairs * kPair) {
      add_values<kElement, count(), kPairs>(group, h, s, n, e, kPair);
    }
    for (; e < width; e += kPair) {
      add_values<kElement, count(), 1>(group, h, s, n, e, std::min(kPair, width - e));
    }
  });
}

/// Keys [first, first + n) of a span that ends at `end`. Heads take turns: where they lie side by
/// side, memory is read from one end to the other.
template <Element kElement>
void attend_chunk(const Groups& groups, int64_t first, int64_t n, int64_t end, bool careful) {
  const AttentionProblem& problem = groups.problem;
  const Reading values{problem.v, first, first + n};
  find_rows(groups, {problem.k, first, first + n}, values, groups.keys);
  for (int64_t s = 0; s < n; s += kKeys) {
    groups.for_each([&](const Group& group) HWY_ATTR {
      in_heads<4>(group.heads, 0, [&](auto count, int64_t h) HWY_ATTR {
        score_keys<kElement, count()>(group, h, s, group.scores + h * kAttentionChunk + s);
      });
    });
  }
  groups.for_each([&](const Group& group) {
    for (int64_t i = 0; i < group.heads; ++i) soften(group, i, first, n);
  });
  find_rows(groups, values, {problem.k, first + n, end}, groups.values);
  if (careful) {
    groups.for_each([&](const Group& group) {
      for (int64_t i = 0; i < group.heads; ++i) add_values_carefully<kElement>(group, i, n);
    });
    return;
  }
  for (int64_t s = 0; s < n; s += kValues) {
    const int64_t some = std::min(kValues, n - s);
    groups.for_each([&](const Group& group) { add_block<kElement>(group, s, some); });
  }
}

bool all_finite(const Group& group) {
  const Floats f;
  const int64_t n = group.heads * rounded(group.problem.value_dim);
  Vector wrong = hn::Zero(f);  // NaN from the first number on that is not finite
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vector x = hn::Load(f, group.out + i);
    wrong = hn::Add(wrong, hn::Sub(x, x));
  }
  return hn::AllTrue(f, hn::Eq(wrong, hn::Zero(f)));
}

void take_queries(const Group& group) {
  const AttentionProblem& problem = group.problem;
  std::fill_n(group.q, group.heads * rounded(problem.head_dim), 0.0F);
  for (int64_t i = 0; i < group.heads; ++i) {
    for (int64_t d = 0; d < problem.head_dim; ++d) {
      group.q_row(i)[place_of(problem.k.element, d)] =
          problem.q.value(group.b, group.head(i), 0, d) * problem.scale;
    }
  }
}

void begin_sums(const Group& group) {
  std::fill_n(group.out, group.heads * rounded(group.problem.value_dim), 0.0F);
  std::fill_n(group.highest, group.heads, kHidden);
  std::fill_n(group.total, group.heads, 0.0F);
}

/// The sums of some kv heads' queries over a span of keys.
template <Element kElement>
void attend_span(const Groups& groups, KeyRange span, bool careful) {
  groups.for_each([](const Group& group) { begin_sums(group); });
  for (int64_t begin = span.begin; begin < span.end;) {
    const int64_t end = std::min((begin / kAttentionChunk + 1) * kAttentionChunk, span.end);
    attend_chunk<kElement>(groups, begin, end - begin, span.end, careful);
    begin = end;
  }
}

template <Element kElement>
void attend_groups(const Groups& groups, KeyRange span) {
  attend_span<kElement>(groups, span, false);
  groups.for_each([&](const Group& group) {
    if (!all_finite(group)) attend_span<kElement>(groups.alone(group.g), span, true);
  });
}

void write_partial(const Group& group, float* partial) {
  const AttentionProblem& problem = group.problem;
  for (int64_t i = 0; i < group.heads; ++i) {
    *partial++ = group.highest[i];
    *partial++ = group.total[i];
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      *partial++ = group.out_row(i)[place_of(problem.v.element, e)];
    }
  }
}

}  // namespace

void decode(const AttentionProblem& problem, const DecodeTask& task, std::byte* scratch) {
  const Groups groups(problem, task, reinterpret_cast<float*>(scratch));
  groups.for_each([](const Group& group) { take_queries(group); });
  const KeyRange visible = visible_keys(problem, task.b, 0);
  const KeyRange keys{std::max(visible.begin, task.span * kAttentionSpan),
                      std::min(visible.end, (task.span + 1) * kAttentionSpan)};
  switch (problem.k.element) {
    case Element::f32:
      attend_groups<Element::f32>(groups, keys);
      break;
    case Element::bf16:
      attend_groups<Element::bf16>(groups, keys);
      break;
    case Element::f16:
      attend_groups<Element::f16>(groups, keys);
      break;
  }
  groups.for_each([&](const Group& group) {
    write_partial(group, task.partials + (group.g - task.first) * task.apart);
  });
}

/// Adds `more` to `sum`, both [highest, total, out[width]].
void merge_partial(float* sum, const float* more, int64_t width) {
  const Floats f;
  const float highest = std::max(sum[0], more[0]);
  if (highest == kHidden) return;
  const Vector mine = exp_of_negative(f, hn::Set(f, sum[0] - highest));
  const Vector theirs = exp_of_negative(f, hn::Set(f, more[0] - highest));
  sum[0] = highest;
  for_vectors(width + 1, [&](int64_t e, int64_t n) HWY_ATTR {
    const Vector add = hn::Mul(load(f, more + 1 + e, n), theirs);
    store(f, hn::MulAdd(load(f, sum + 1 + e, n), mine, add), sum + 1 + e, n);
  });
}

/// The row of weights from its scores.
void weigh(const float* scores, int64_t keys, float highest, float inverse, float* weights) {
  const Floats f;
  const Vector base = hn::Set(f, highest == kHidden ? 0.0F : highest);
  const Vector factor = hn::Set(f, inverse);
  map(scores, weights, keys,
      [&](Vector x) HWY_ATTR { return hn::Mul(exp_of_negative(f, hn::Sub(x, base)), factor); });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {
namespace {

constexpr int64_t kSlack = 32;  // floats a part of the scratch is rounded up to

/// A head's merged sums to what the caller wants.
void finish_head(const AttentionProblem& problem, int64_t b, int64_t h, float* sum) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  const float seen = sum[0];  // the largest score, the sink's apart
  if (problem.sinks != nullptr) {
    const float sink[2] = {problem.sinks[h], 1.0F};
    HEED_DISPATCH(merge_partial)(sum, sink, 0);
    const float shrunk = seen == kHidden ? 0.0F : std::exp(seen - sum[0]);
    for (int64_t e = 0; e < problem.value_dim; ++e) sum[2 + e] *= shrunk;
  }
  const float total = sum[1];
  const float inverse = total == 0 ? 0.0F : 1.0F / total;
  std::byte* y = problem.y.at(b, h, 0);
  for (int64_t e = 0; e < problem.value_dim; ++e) {
    const float value = total == 0 ? 0.0F : sum[2 + e] * inverse;
    store_element(problem.y.element, value, y + e * size_of(problem.y.element));
  }
  const int64_t row = problem.row(b, h, 0);
  if (problem.lse != nullptr) problem.lse[row] = sum[0] + std::log(total);
  float* scores = recorded_scores(problem, b, h, 0);
  if (scores == nullptr) return;
  const KeyRange visible = visible_keys(problem, b, 0);
  std::fill(scores, scores + visible.begin, kHidden);
  std::fill(scores + visible.end, scores + problem.keys, kHidden);
  if (problem.weights == nullptr) return;
  HEED_DISPATCH(weigh)
  (scores, problem.keys, sum[0], inverse, problem.weights + row * problem.key_pitch);
}

}  // namespace

bool attention_decodes(const AttentionProblem& problem) {
  return problem.queries == 1 && problem.kv_heads > 0 && active_isa() != Isa::reference;
}

int64_t attention_partial_floats(const AttentionProblem& problem) {
  return problem.heads / problem.kv_heads * (problem.value_dim + 2);
}

int64_t attention_decode_scratch_bytes(const AttentionProblem& problem, int64_t groups) {
  const int64_t heads = problem.heads / problem.kv_heads;
  const int64_t own =
      heads * (problem.head_dim + problem.value_dim + 2 * kSlack + kAttentionChunk + 2) +
      4 * kSlack;
  const int64_t floats = groups * own + 4 * kSlack;
  constexpr int64_t kRows = 2 * (kAttentionChunk + 80);  // pointers, with what is fetched ahead
  return floats * static_cast<int64_t>(sizeof(float)) + kRows * static_cast<int64_t>(sizeof(void*));
}

void attention_decode(const AttentionProblem& problem, const DecodeTask& task, std::byte* scratch) {
  HEED_DISPATCH(decode)(problem, task, scratch);
}

void attention_merge(const AttentionProblem& problem, int64_t b, int64_t g, float* partials,
                     int64_t spans) {
  const int64_t heads = problem.heads / problem.kv_heads;
  const int64_t width = problem.value_dim + 2;
  for (int64_t i = 0; i < heads; ++i) {
    float* sum = partials + i * width;
    for (int64_t span = 1; span < spans; ++span) {
      HEED_DISPATCH(merge_partial)(sum, sum + span * heads * width, problem.value_dim);
    }
    finish_head(problem, b, g * heads + i, sum);
  }
}

}  // namespace heed::kernels
#endif
