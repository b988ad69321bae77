#include "heed/kernels/dropout.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/dropout.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/dropout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using philox_lanes::Words;
using philox_lanes::WordVector;

/// The words of quads quad .. quad + kLanes - 1, in the order of their elements.
HWY_INLINE void element_words(uint64_t seed, uint64_t quad, uint32_t* words) {
  const Words w;
  const auto low = static_cast<uint32_t>(quad);
  WordVector x[4];
  x[0] = hn::Iota(w, low);
  // a quad's number has two words: lanes after the lower one's end carry
  const auto carried = hn::Lt(x[0], hn::Set(w, low));
  x[1] = hn::Add(hn::Set(w, static_cast<uint32_t>(quad >> 32)),
                 hn::IfThenElseZero(carried, hn::Set(w, 1)));
  x[2] = hn::Zero(w);
  x[3] = hn::Set(w, static_cast<uint32_t>(PhiloxUse::dropout));
  philox_lanes::rounds(seed, x);
  hn::StoreInterleaved4(x[0], x[1], x[2], x[3], w, words);
}

}  // namespace

/// first + dropout.first: a multiple of 4.
void drop(const Dropout& dropout, int64_t first, const float* x, float* y, int64_t n) {
  const Floats d;
  const Words w;
  const WordVector bound = hn::Set(w, dropout.threshold());
  const FloatVector factor = hn::Set(d, dropout.factor());
  HWY_ALIGN uint32_t words[4 * kLanes];
  for (int64_t at = 0; at < n; at += 4 * kLanes) {
    element_words(dropout.seed, static_cast<uint64_t>((dropout.first + first + at) / 4), words);
    for_vectors(std::min(n - at, 4 * kLanes), [&](int64_t i, int64_t lanes) HWY_ATTR {
      const auto dropped = hn::RebindMask(d, hn::Lt(hn::Load(w, words + i), bound));
      const FloatVector kept = hn::Mul(load(d, x + at + i, lanes), factor);
      store(d, hn::IfThenZeroElse(dropped, kept), y + at + i, lanes);
    });
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void dropout(const Dropout& dropout, int64_t first, const float* x, float* y, int64_t n) {
  if (active_isa() == Isa::reference) return ref::dropout(dropout, first, x, y, n);
  const int64_t odd = std::min(n, (4 - (dropout.first + first) % 4) % 4);  // up to a whole quad
  ref::dropout(dropout, first, x, y, odd);
  HEED_DISPATCH(drop)(dropout, first + odd, x + odd, y + odd, n - odd);
}

}  // namespace heed::kernels
#endif
