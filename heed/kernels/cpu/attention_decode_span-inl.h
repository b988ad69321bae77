// A span of keys, chunk by chunk, for one query a head. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_SPAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_SPAN_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_SPAN_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_SPAN_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/cpu/attention_decode_group-inl.h"
#include "heed/kernels/cpu/attention_decode_products-inl.h"
#include "heed/kernels/cpu/attention_decode_rows-inl.h"
#include "heed/kernels/cpu/attention_decode_scores-inl.h"
#include "heed/kernels/cpu/attention_decode_soften-inl.h"
#include "heed/kernels/cpu/attention_decode_values-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// Keys [first, first + n) of a span that ends at `end`. Heads take turns: where they lie side by
/// side, memory is read from one end to the other.
template <class Products, class Fetch>
void attend_chunk(const Groups& groups, int64_t first, int64_t n, int64_t end, bool careful) {
  const Task& task = groups.first.task;
  const Reading values{task.problem.v, first, first + n};
  find_rows(groups.first, {task.problem.k, first, first + n}, values, task.keys);
  for (int64_t s = 0; s < n; s += kKeys) {
    groups.for_each([&](const Group& group) HWY_ATTR {
      in_heads<4>(task.heads, 0, [&](auto count, int64_t h) HWY_ATTR {
        score_keys<Products, Fetch, count()>(group, h, s);
      });
    });
  }
  groups.for_each([&](const Group& group) {
    for (int64_t i = 0; i < task.heads; ++i) {
      soften(group, i, first, n);
      if (!careful) Products::pack_weights(group.scores(i), n);
    }
  });
  find_rows(groups.first, values, {task.problem.k, first + n, end}, task.values);
  if (careful) {
    groups.for_each([&](const Group& group) {
      for (int64_t i = 0; i < task.heads; ++i) add_values_carefully<Products>(group, i, n);
    });
    return;
  }
  for (int64_t s = 0; s < n; s += kValues) {
    const int64_t some = std::min(kValues, n - s);
    groups.for_each([&](const Group& group) { add_block<Products, Fetch>(group, s, some); });
  }
}

bool all_finite(const Group& group) {
  const Floats f;
  const int64_t n = group.task.heads * group.task.out_pitch;
  Vector wrong = hn::Zero(f);  // NaN from the first number on that is not finite
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vector x = hn::Load(f, group.out(0) + i);
    wrong = hn::Add(wrong, hn::Sub(x, x));
  }
  return hn::AllTrue(f, hn::Eq(wrong, hn::Zero(f)));
}

void begin_sums(const Group& group) {
  const int64_t heads = group.task.heads;
  std::fill_n(group.out(0), heads * group.task.out_pitch, 0.0F);
  std::fill_n(&group.highest(0), heads, kHidden);
  std::fill_n(&group.total(0), heads, 0.0F);
}

/// The sums of some kv heads' queries over a span of keys.
template <class Products, class Fetch>
void attend_span(const Groups& groups, KeyRange span, bool careful) {
  groups.for_each([](const Group& group) { begin_sums(group); });
  for (int64_t begin = span.begin; begin < span.end;) {
    const int64_t end = std::min((begin / kAttentionChunk + 1) * kAttentionChunk, span.end);
    attend_chunk<Products, Fetch>(groups, begin, end - begin, span.end, careful);
    begin = end;
  }
}

template <class Products, class Fetch>
void attend_groups(const Groups& groups, KeyRange span) {
  attend_span<Products, Fetch>(groups, span, false);
  groups.for_each([&](const Group& group) {
    if (!all_finite(group)) attend_span<Products, Fetch>(groups.alone(group), span, true);
  });
}

template <class Products>
void write_partial(const Group& group, float* partial) {
  const AttentionProblem& problem = group.task.problem;
  for (int64_t i = 0; i < group.task.heads; ++i) {
    *partial++ = group.highest(i);
    *partial++ = group.total(i);
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      *partial++ = group.out(i)[Products::place(e)];
    }
  }
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
