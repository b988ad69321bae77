// Dropout of a tile of weights, queries or keys in lanes; included once for each Highway target.
#if defined(HEED_KERNELS_CPU_DROPOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_DROPOUT_INL_H_
#undef HEED_KERNELS_CPU_DROPOUT_INL_H_
#else
#define HEED_KERNELS_CPU_DROPOUT_INL_H_
#endif

#include <cstdint>

#include "heed/kernels/cpu/vector-inl.h"
#include "heed/kernels/dropout.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace philox_lanes {

using Words = hn::RebindToUnsigned<Floats>;
using WordVector = hn::Vec<Words>;

/// The upper halves of the 64-bit products.
HWY_INLINE WordVector upper_product(WordVector a, WordVector b) {
  const Words w;
  const hn::Repartition<uint64_t, Words> pair;
  const auto even = hn::MulEven(a, b);
  const auto odd_of = [&](WordVector x) HWY_ATTR {
    return hn::BitCast(w, hn::ShiftRight<32>(hn::BitCast(pair, x)));
  };
  const auto odd = hn::MulEven(odd_of(a), odd_of(b));
  return hn::OddEven(hn::BitCast(w, odd), hn::BitCast(w, hn::ShiftRight<32>(even)));
}

/// heed::philox in each lane, in place.
HWY_INLINE void rounds(uint64_t key, WordVector (&x)[4]) {
  const Words w;
  auto key0 = static_cast<uint32_t>(key);
  auto key1 = static_cast<uint32_t>(key >> 32);
  const WordVector factor0 = hn::Set(w, kPhiloxFactors[0]);
  const WordVector factor1 = hn::Set(w, kPhiloxFactors[1]);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const WordVector a_high = upper_product(x[0], factor0);
    const WordVector a_low = hn::Mul(x[0], factor0);
    const WordVector b_high = upper_product(x[2], factor1);
    const WordVector b_low = hn::Mul(x[2], factor1);
    x[0] = hn::Xor(hn::Xor(b_high, x[1]), hn::Set(w, key0));
    x[1] = b_low;
    x[2] = hn::Xor(hn::Xor(a_high, x[3]), hn::Set(w, key1));
    x[3] = a_low;
    key0 += kPhiloxWeyl[0];
    key1 += kPhiloxWeyl[1];
  }
}

/// dropout_draws, a query and a quad in each lane.
HWY_INLINE void draws(uint64_t seed, uint32_t head, WordVector query, WordVector quad,
                      WordVector (&x)[4]) {
  const Words w;
  x[0] = query;
  x[1] = quad;
  x[2] = hn::Set(w, head);
  x[3] = hn::Set(w, static_cast<uint32_t>(PhiloxUse::attention_dropout));
  rounds(seed, x);
}

}  // namespace philox_lanes

/// Multiplies the tile [n][width], keys first_key.. by queries first_query.. of head, by dropout's
/// factors.
HWY_INLINE void drop_tile(const Dropout& dropout, int64_t head, int64_t first_query,
                          int64_t first_key, int64_t n, int64_t width, float* tile) {
  using namespace philox_lanes;
  const Floats f;
  const Words w;
  const auto bound = hn::Set(w, dropout.threshold());
  const FloatVector factor = hn::Set(f, dropout.factor());
  for (int64_t at = 0; at < width; at += kLanes) {
    for (int64_t quad = first_key / 4; quad * 4 < first_key + n; ++quad) {
      WordVector x[4];
      draws(dropout.seed, static_cast<uint32_t>(dropout.first + head),
            hn::Iota(w, static_cast<uint32_t>(first_query + at)),
            hn::Set(w, static_cast<uint32_t>(quad)), x);
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t s = quad * 4 + i - first_key;
        if (s < 0 || s >= n) continue;
        float* to = tile + s * width + at;
        const auto dropped = hn::RebindMask(f, hn::Lt(x[i], bound));
        hn::Store(hn::IfThenZeroElse(dropped, hn::Mul(hn::Load(f, to), factor)), f, to);
      }
    }
  }
}

/// factors[row][key] = dropout's factor of query first_query + row and key first_key + key, for
/// `rows` rows (and up to three more) of width keys: kLanes or 2 kLanes. first_key: a multiple
/// of 4.
HWY_INLINE void drop_factors(const Dropout& dropout, int64_t head, int64_t first_query,
                             int64_t rows, int64_t first_key, int64_t width, float* factors) {
  using namespace philox_lanes;
  const Floats f;
  const Words w;
  const auto bound = hn::Set(w, dropout.threshold());
  const FloatVector factor = hn::Set(f, dropout.factor());
  // A vector of quads holds the keys of several rows.
  const int64_t quads = width / 4;
  HWY_ALIGN uint32_t row_of[kLanes], quad_of[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    row_of[lane] = static_cast<uint32_t>(lane / quads);
    quad_of[lane] = static_cast<uint32_t>(first_key / 4 + lane % quads);
  }
  for (int64_t row = 0; row < rows; row += kLanes / quads) {
    WordVector x[4];
    draws(dropout.seed, static_cast<uint32_t>(dropout.first + head),
          hn::Add(hn::Load(w, row_of), hn::Set(w, static_cast<uint32_t>(first_query + row))),
          hn::Load(w, quad_of), x);
    FloatVector kept[4];
    for (int i = 0; i < 4; ++i) {
      kept[i] = hn::IfThenZeroElse(hn::RebindMask(f, hn::Lt(x[i], bound)), factor);
    }
    hn::StoreInterleaved4(kept[0], kept[1], kept[2], kept[3], f, factors + row * width);
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
