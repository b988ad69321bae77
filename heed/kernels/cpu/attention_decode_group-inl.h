// The heads of one query that share keys and values, and the scratch of a task of attention_decode.
// Included once for each Highway target. (What the attention_decode_*-inl.h hold has no name
// outside the one source that includes them: the compiler inlines what that calls once.)
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_GROUP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_GROUP_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_GROUP_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_GROUP_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <limits>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_decode.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "heed/kernels/maker.h"
#include "hwy/highway.h"

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

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
