#pragma once

#include "heed/tensor/tensor.h"

namespace heed {

/// What an LSTM hands from one step to the next.
struct LstmState {
  Tensor h;  // [B, H], what others see
  Tensor c;  // [B, H], the cell
};

/// One step of an LSTM (Hochreiter and Schmidhuber, 1997), equal to nn.LSTMCell: gates [B, 4 H] =
/// x W_x^T + b_x + h W_h^T + b_h in the order i, f, g, o; c [B, H]. c' = s(f) c + s(i) tanh(g), h'
/// = s(o) tanh(c'), s the logistic function. Keeps the gates, c and c' for backward.
LstmState lstm_cell(const Tensor& gates, const Tensor& c);

/// One step of a gated recurrent unit (Cho et al., 2014), equal to nn.GRUCell: x_gates [B, 3 H] = x
/// W_x^T + b_x and h_gates [B, 3 H] = h W_h^T + b_h in the order r, u, n; h [B, H] -> [B, H]:
/// n + u (h - n) with r = s(x_r + h_r), u = s(x_u + h_u), n = tanh(x_n + r h_n). Keeps h, h_gates
/// and the gates for backward.
Tensor gru_cell(const Tensor& x_gates, const Tensor& h_gates, const Tensor& h);

}  // namespace heed
