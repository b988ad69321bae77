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
// Keys whose values stay in L1 while columns and heads go over them.
constexpr int64_t kValues = 32;

/// Rows asked for ahead of use. Memory answers after some 10 rows' time; more than 24 rows push
/// each other out of L1 (measured: 24 beats 32 and 64; 8 rows of keys and 16 of values where the kv
/// heads of a row take turns).
struct NearFetch {
  static constexpr bool kAgain = false;
  static constexpr int kLocality = 3;  // the instruction's: L1
  static constexpr int64_t kRows = 24, kKeysInTurns = 8, kValuesInTurns = kValues;
};

/// On AMD's into L2: what Zen 4's L1 waits for at a time, 24 lines, holds reading to 9 GB/s, where
/// L2's gives 1.5 to 1.9 times that. Where many wait it drops requests: made again when the row is
/// nearer they give 1.2 times that (decision 6).
struct FarFetch {
  static constexpr bool kAgain = true;
  static constexpr int kLocality = 2;
  static constexpr int64_t kRows = 32, kKeysInTurns = 32, kValuesInTurns = 32;
};
constexpr int64_t kRowsAgain = 16;
constexpr int64_t kMostAhead = 32;

// Rows go in pairs of vectors: two neighbouring bf16 share a word, of which a shift makes the first
// an f32 and a mask the second, one instruction a vector instead of two.
constexpr int64_t kPair = 2 * kLanes;

int64_t rounded(int64_t n) { return (n + kPair - 1) / kPair * kPair; }

/// Where element i of a row stands in its pairs of vectors.
int64_t place_of(Element element, int64_t i) {
  if (element != Element::bf16) return i;
  return i / kPair * kPair + i % 2 * kLanes + i % kPair / 2;
}

/// Parts of the scratch begin at multiples of 64 bytes.
constexpr int64_t up(int64_t floats) { return (floats + 15) / 16 * 16; }

/// What a list of a chunk's rows takes, with those asked for ahead.
constexpr int64_t kRowFloats = up((kAttentionChunk + kMostAhead + kKeys) *
                                  static_cast<int64_t>(sizeof(void*) / sizeof(float)));

/// Who takes what of the scale.
struct Scale {
  float queries;
  float scores;
};

/// What the kv heads of a task share. (All is reckoned once: a tile takes some 40 ns.)
struct Task {
  const AttentionProblem& problem;
  Scale scale;
  int64_t b;
  int64_t heads;  // of a kv head
  int64_t q_pitch, out_pitch;
  int64_t scores_at, out_at, highest_at, total_at, floats;  // of a kv head's scratch
  // [kAttentionChunk + kKeys + kMostAhead] each: where the chunk's rows lie for the task's first kv
  // head, and what is read next.
  const std::byte** keys;
  const std::byte** values;
  bool in_turns;  // of several kv heads

  Task(const AttentionProblem& problem_, const DecodeTask& task, Scale parts, float* scratch)
      : problem(problem_),
        scale(parts),
        b(task.b),
        heads(problem.heads / problem.kv_heads),
        q_pitch(rounded(problem.head_dim)),
        out_pitch(rounded(problem.value_dim)),
        scores_at(heads * q_pitch),
        out_at(scores_at + up(heads * kAttentionChunk + kKeys)),
        highest_at(out_at + heads * out_pitch),
        total_at(highest_at + up(heads)),
        floats(total_at + up(heads)),
        keys(reinterpret_cast<const std::byte**>(scratch)),
        values(reinterpret_cast<const std::byte**>(scratch + kRowFloats)),
        in_turns(task.last - task.first > 1) {}
};

/// A kv head's query heads.
struct Group {
  const Task& task;
  int64_t g;
  int64_t key_offset, value_offset;  // of its rows behind those of the task's first kv head
  float* own;

  int64_t head(int64_t i) const { return g * task.heads + i; }
  /// [D rounded up], as the products want them, times their part of the scale.
  float* q(int64_t i) const { return own + i * task.q_pitch; }
  /// [kAttentionChunk], then weights.
  float* scores(int64_t i) const { return own + task.scores_at + i * kAttentionChunk; }
  /// [E rounded up], in places, relative to highest.
  float* out(int64_t i) const { return own + task.out_at + i * task.out_pitch; }
  float& highest(int64_t i) const { return own[task.highest_at + i]; }
  float& total(int64_t i) const { return own[task.total_at + i]; }
};

/// Kv heads of a task, one after another.
struct Groups {
  Group first;
  int64_t last;
  int64_t key_step, value_step;

  template <class F>
  HWY_INLINE void for_each(const F& f) const {
    for (Group group = first; group.g < last; ++group.g) {
      f(group);
      group.key_offset += key_step;
      group.value_offset += value_step;
      group.own += group.task.floats;
    }
  }

  /// One of them, whose rows are found for itself.
  Groups alone(const Group& group) const {
    return {{group.task, group.g, 0, 0, group.own}, group.g + 1, key_step, value_step};
  }
};

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
