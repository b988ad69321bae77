// One query a head: lanes run along the head for scores and along the values for outputs, so that
// keys and values are read as they lie, once for all the heads that share them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_decode.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_decode.h"
#include "heed/kernels/bf16_dots.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_decode_group-inl.h"
#include "heed/kernels/cpu/attention_decode_products-inl.h"
#include "heed/kernels/cpu/attention_decode_rows-inl.h"
#include "heed/kernels/cpu/attention_decode_scores-inl.h"
#include "heed/kernels/cpu/attention_decode_soften-inl.h"
#include "heed/kernels/cpu/attention_decode_values-inl.h"
#include "heed/kernels/cpu/pair_dots-inl.h"

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

template <class Products, class Fetch>
void decode_task(const AttentionProblem& problem, const DecodeTask& task, std::byte* scratch) {
  auto* const floats = reinterpret_cast<float*>(scratch);
  const Task all(problem, task, Products::part(problem.scale), floats);
  const Groups groups{{all, task.first, 0, 0, floats + 2 * kRowFloats},
                      task.last,
                      problem.k.head * size_of(problem.k.element),
                      problem.v.head * size_of(problem.v.element)};
  groups.for_each([](const Group& group) { take_queries<Products>(group); });
  const KeyRange visible = visible_keys(problem, task.b, 0);
  attend_groups<Products, Fetch>(groups, {std::max(visible.begin, task.span * kAttentionSpan),
                                          std::min(visible.end, (task.span + 1) * kAttentionSpan)});
  groups.for_each([&](const Group& group) {
    write_partial<Products>(group, task.partials + (group.g - task.first) * task.apart);
  });
}

template <class Fetch>
auto* widened_decode(Element element) {
  switch (element) {
    case Element::bf16:
      return &decode_task<Widened<Element::bf16>, Fetch>;
    case Element::f16:
      return &decode_task<Widened<Element::f16>, Fetch>;
    default:
      return &decode_task<Widened<Element::f32>, Fetch>;
  }
}

}  // namespace

void decode(const AttentionProblem& problem, const DecodeTask& task, std::byte* scratch) {
  auto* run = made_by_amd() ? widened_decode<FarFetch>(problem.k.element)
                            : widened_decode<NearFetch>(problem.k.element);
#if HWY_TARGET == HWY_AVX3
  if (active_isa() == Isa::avx512_bf16 && pairs_serve(problem)) {
    run = internal::dots_emulated() ? &decode_task<Paired<ScalarDots>, FarFetch>
                                    : &decode_task<Paired<MachineDots>, FarFetch>;
  }
#endif
  run(problem, task, scratch);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

bool attention_decodes(const AttentionProblem& problem) {
  return problem.queries == 1 && problem.kv_heads > 0 && active_isa() != Isa::reference;
}

int64_t attention_partial_floats(const AttentionProblem& problem) {
  return problem.heads / problem.kv_heads * (problem.value_dim + 2);
}

int64_t attention_decode_scratch_bytes(const AttentionProblem& problem, int64_t groups) {
  constexpr int64_t kSlack = 32;  // floats a part of the scratch is rounded up to
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

}  // namespace heed::kernels
#endif
