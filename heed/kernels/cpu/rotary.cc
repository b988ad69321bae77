#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/rotary.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <cstring>

#include "heed/kernels/rotary.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// The numbers of a head as f32, n <= 2 * kLanes from element i on, and back.
struct Head {
  const RotaryToken& token;
  const std::byte* x;
  std::byte* y;

  HWY_INLINE void take(int64_t i, int64_t n, float* to) const {
    const std::byte* from = x + i * size_of(token.element);
    if (token.element == Element::f32) {
      std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    } else {
      widen(token.element, from, n, to);
    }
  }
  HWY_INLINE void give(int64_t i, int64_t n, const float* from) const {
    std::byte* to = y + i * size_of(token.element);
    if (token.element == Element::f32) {
      std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    } else {
      narrow(token.element, from, n, to);
    }
  }
};

/// Pairs [i, i + n) of a head.
HWY_INLINE void rotate(const Head& head, int64_t i, int64_t n) {
  const Floats f;
  const RotaryToken& token = head.token;
  HWY_ALIGN float lanes[2 * kLanes] = {};
  FloatVector a, b;
  if (token.interleaved) {
    head.take(2 * i, 2 * n, lanes);
    hn::LoadInterleaved2(f, lanes, a, b);
  } else {
    head.take(i, n, lanes);
    head.take(i + token.pairs, n, lanes + kLanes);
    a = hn::Load(f, lanes);
    b = hn::Load(f, lanes + kLanes);
  }
  const FloatVector cosine = load(f, token.cosines + i, n);
  const FloatVector angle_sine = load(f, token.sines + i, n);
  const FloatVector sine = token.inverse ? hn::Neg(angle_sine) : angle_sine;
  const FloatVector first = hn::MulSub(a, cosine, hn::Mul(b, sine));
  const FloatVector second = hn::MulAdd(b, cosine, hn::Mul(a, sine));
  if (token.interleaved) {
    hn::StoreInterleaved2(first, second, f, lanes);
    head.give(2 * i, 2 * n, lanes);
  } else {
    hn::Store(first, f, lanes);
    hn::Store(second, f, lanes + kLanes);
    head.give(i, n, lanes);
    head.give(i + token.pairs, n, lanes + kLanes);
  }
}

}  // namespace

void rotate_token(const RotaryToken& token) {
  const int64_t bytes = size_of(token.element);
  for (int64_t h = 0; h < token.heads; ++h) {
    const Head head{token, token.x + h * token.x_head * bytes, token.y + h * token.y_head * bytes};
    for_vectors(token.pairs, [&](int64_t i, int64_t n) HWY_ATTR { rotate(head, i, n); });
    const int64_t rotated = 2 * token.pairs;
    if (head.x != head.y && rotated < token.size) {
      std::memcpy(head.y + rotated * bytes, head.x + rotated * bytes,
                  static_cast<size_t>((token.size - rotated) * bytes));
    }
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void rotary(const RotaryToken& token) {
  if (active_isa() == Isa::reference) return ref::rotary(token);
  HEED_DISPATCH(rotate_token)(token);
}

}  // namespace heed::kernels
#endif
