#include "heed/kernels/recurrent.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/recurrent.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// 1 - x^2, the slope of tanh where it is x.
HWY_INLINE FloatVector tanh_slope_at(Floats d, FloatVector x) {
  return hn::NegMulAdd(x, x, hn::Set(d, 1.0f));
}

/// x (1 - x), the slope of the logistic function where it is x.
HWY_INLINE FloatVector sigmoid_slope_at(FloatVector x) { return hn::NegMulAdd(x, x, x); }

/// body(row, unit, lanes) over all units of all rows.
template <class F>
HWY_INLINE void for_units(int64_t rows, int64_t units, const F& body) {
  for (int64_t r = 0; r < rows; ++r) {
    for_vectors(units, [&](int64_t j, int64_t n) HWY_ATTR { body(r, j, n); });
  }
}

}  // namespace

void lstm(const LstmRows& rows) {
  const Floats d;
  const int64_t units = rows.units;
  for_units(rows.rows, units, [&](int64_t r, int64_t j, int64_t n) HWY_ATTR {
    const float* z = rows.z + 4 * r * units + j;
    float* gates = rows.gates + 4 * r * units + j;
    const FloatVector i = sigmoid(d, load(d, z, n));
    const FloatVector f = sigmoid(d, load(d, z + units, n));
    const FloatVector g = tanh(d, load(d, z + 2 * units, n));
    const FloatVector o = sigmoid(d, load(d, z + 3 * units, n));
    const FloatVector c = hn::MulAdd(f, load(d, rows.c + r * units + j, n), hn::Mul(i, g));
    store(d, i, gates, n);
    store(d, f, gates + units, n);
    store(d, g, gates + 2 * units, n);
    store(d, o, gates + 3 * units, n);
    store(d, c, rows.c_next + r * units + j, n);
    store(d, hn::Mul(o, tanh(d, c)), rows.h_next + r * units + j, n);
  });
}

void lstm_backward(const LstmRowsBackward& rows) {
  const Floats d;
  const int64_t units = rows.units;
  for_units(rows.rows, units, [&](int64_t r, int64_t j, int64_t n) HWY_ATTR {
    const int64_t at = r * units + j;
    const float* gates = rows.gates + 4 * r * units + j;
    float* dz = rows.dz + 4 * r * units + j;
    const FloatVector i = load(d, gates, n);
    const FloatVector f = load(d, gates + units, n);
    const FloatVector g = load(d, gates + 2 * units, n);
    const FloatVector o = load(d, gates + 3 * units, n);
    const FloatVector t = tanh(d, load(d, rows.c_next + at, n));
    const FloatVector dh = load(d, rows.dh_next + at, n);
    const FloatVector e =
        hn::MulAdd(hn::Mul(dh, o), tanh_slope_at(d, t), load(d, rows.dc_next + at, n));
    const FloatVector c = load(d, rows.c + at, n);
    store(d, hn::Mul(hn::Mul(e, g), sigmoid_slope_at(i)), dz, n);
    store(d, hn::Mul(hn::Mul(e, c), sigmoid_slope_at(f)), dz + units, n);
    store(d, hn::Mul(hn::Mul(e, i), tanh_slope_at(d, g)), dz + 2 * units, n);
    store(d, hn::Mul(hn::Mul(dh, t), sigmoid_slope_at(o)), dz + 3 * units, n);
    store(d, hn::Mul(e, f), rows.dc + at, n);
  });
}

void gru(const GruRows& rows) {
  const Floats d;
  const int64_t units = rows.units;
  for_units(rows.rows, units, [&](int64_t row, int64_t j, int64_t lanes) HWY_ATTR {
    const float* x = rows.x + 3 * row * units + j;
    const float* s = rows.s + 3 * row * units + j;
    float* gates = rows.gates + 3 * row * units + j;
    const auto part = [&](const float* from, int64_t gate)
                          HWY_ATTR { return load(d, from + gate * units, lanes); };
    const FloatVector r = sigmoid(d, hn::Add(part(x, 0), part(s, 0)));
    const FloatVector u = sigmoid(d, hn::Add(part(x, 1), part(s, 1)));
    const FloatVector n = tanh(d, hn::MulAdd(r, part(s, 2), part(x, 2)));
    const FloatVector h = load(d, rows.h + row * units + j, lanes);
    store(d, r, gates, lanes);
    store(d, u, gates + units, lanes);
    store(d, n, gates + 2 * units, lanes);
    store(d, hn::MulAdd(u, hn::Sub(h, n), n), rows.h_next + row * units + j, lanes);
  });
}

void gru_backward(const GruRowsBackward& rows) {
  const Floats d;
  const int64_t units = rows.units;
  for_units(rows.rows, units, [&](int64_t row, int64_t j, int64_t lanes) HWY_ATTR {
    const int64_t at = row * units + j;
    const int64_t first = 3 * row * units + j;
    const FloatVector r = load(d, rows.gates + first, lanes);
    const FloatVector u = load(d, rows.gates + first + units, lanes);
    const FloatVector n = load(d, rows.gates + first + 2 * units, lanes);
    const FloatVector dh = load(d, rows.dh_next + at, lanes);
    const FloatVector a = hn::Mul(hn::NegMulAdd(dh, u, dh), tanh_slope_at(d, n));
    const FloatVector s_n = load(d, rows.s + first + 2 * units, lanes);
    const FloatVector dr = hn::Mul(hn::Mul(a, s_n), sigmoid_slope_at(r));
    const FloatVector off = hn::Sub(load(d, rows.h + at, lanes), n);
    const FloatVector du = hn::Mul(hn::Mul(dh, off), sigmoid_slope_at(u));
    for (float* to : {rows.dx + first, rows.ds + first}) {
      store(d, dr, to, lanes);
      store(d, du, to + units, lanes);
    }
    store(d, a, rows.dx + first + 2 * units, lanes);
    store(d, hn::Mul(a, r), rows.ds + first + 2 * units, lanes);
    store(d, hn::Mul(dh, u), rows.dh + at, lanes);
  });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void lstm(const LstmRows& rows) {
  if (active_isa() == Isa::reference) return ref::lstm(rows);
  HEED_DISPATCH(lstm)(rows);
}

void lstm_backward(const LstmRowsBackward& rows) {
  if (active_isa() == Isa::reference) return ref::lstm_backward(rows);
  HEED_DISPATCH(lstm_backward)(rows);
}

void gru(const GruRows& rows) {
  if (active_isa() == Isa::reference) return ref::gru(rows);
  HEED_DISPATCH(gru)(rows);
}

void gru_backward(const GruRowsBackward& rows) {
  if (active_isa() == Isa::reference) return ref::gru_backward(rows);
  HEED_DISPATCH(gru_backward)(rows);
}

}  // namespace heed::kernels
#endif
