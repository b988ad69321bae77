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
#include "heed/kernels/cpu/attention_decode_scores-inl.h"
#include "heed/kernels/cpu/attention_decode_span-inl.h"
#include "heed/kernels/cpu/pair_dots-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

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
