#pragma once

#include <cstdint>

namespace heed::kernels {

/// One step of an LSTM (Hochreiter and Schmidhuber, 1997; with forget gates, Gers et al., 2000) of
/// H units for each row, s the logistic function, gates in PyTorch's order:
///   i = s(z_i), f = s(z_f), g = tanh(z_g), o = s(z_o);  c' = f c + i g;  h' = o tanh(c').
struct LstmRows {
  const float* z;  // [rows, 4 H]: what comes from input and state, added up
  const float* c;  // [rows, H]
  float* gates;    // [rows, 4 H]: i, f, g, o; may be z
  float* h_next;   // [rows, H]
  float* c_next;   // [rows, H]
  int64_t rows;
  int64_t units;  // H
};

/// With t = tanh(c') and e = dc' + dh' o (1 - t^2):
///   dz = [e g i (1 - i), e c f (1 - f), e i (1 - g^2), dh' t o (1 - o)];  dc = e f.
struct LstmRowsBackward {
  const float* gates;
  const float* c;
  const float* c_next;
  const float* dh_next;
  const float* dc_next;
  float* dz;  // [rows, 4 H]
  float* dc;  // [rows, H]
  int64_t rows;
  int64_t units;
};

/// One step of a gated recurrent unit (Cho et al., 2014) as PyTorch has it, x and s what comes from
/// input and state, gates in the order r, u, n:
///   r = s(x_r + s_r), u = s(x_u + s_u), n = tanh(x_n + r s_n);  h' = n + u (h - n).
struct GruRows {
  const float* x;  // [rows, 3 H]
  const float* s;  // [rows, 3 H]
  const float* h;  // [rows, H]
  float* gates;    // [rows, 3 H]: r, u, n
  float* h_next;   // [rows, H]
  int64_t rows;
  int64_t units;
};

/// With a = dh' (1 - u) (1 - n^2): dx = [a s_n r (1 - r), dh' (h - n) u (1 - u), a], ds the same
/// but a r at the end, dh = dh' u.
struct GruRowsBackward {
  const float* s;
  const float* h;
  const float* gates;
  const float* dh_next;
  float* dx;  // [rows, 3 H]
  float* ds;  // [rows, 3 H]
  float* dh;  // [rows, H]
  int64_t rows;
  int64_t units;
};

/// Rows contiguous, no scratch, no threads; a row's bits depend on that row alone. Errors: gates as
/// kernels/activation.h says of sigmoid and tanh, then a rounding for each operation written above.
void lstm(const LstmRows& rows);
void lstm_backward(const LstmRowsBackward& rows);
void gru(const GruRows& rows);
void gru_backward(const GruRowsBackward& rows);

namespace ref {
void lstm(const LstmRows& rows);
void lstm_backward(const LstmRowsBackward& rows);
void gru(const GruRows& rows);
void gru_backward(const GruRowsBackward& rows);
}  // namespace ref

}  // namespace heed::kernels
