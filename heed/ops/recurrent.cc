#include "heed/ops/recurrent.h"

#include "heed/autograd/tape.h"
#include "heed/kernels/recurrent.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

/// rows [begin, end) of each tensor [B, N], N any.
float* row(const Tensor& x, int64_t begin) { return x.data<float>() + begin * x.size(1); }

/// dy [2, B, H] of h' and c'.
void lstm_backward(const Tensor& gates, const Tensor& c, const Tensor& c_next, const Tensor& dy,
                   Gradients& to) {
  const int64_t units = c.size(1);
  const Tensor dz = Tensor::empty(gates.shape()), dc = Tensor::empty(c.shape());
  const Tensor dh_next = dy.select(0, 0), dc_next = dy.select(0, 1);
  parallel_rows(c.size(0), 4 * units, [&](int64_t begin, int64_t end) {
    kernels::lstm_backward({.gates = row(gates, begin),
                            .c = row(c, begin),
                            .c_next = row(c_next, begin),
                            .dh_next = row(dh_next, begin),
                            .dc_next = row(dc_next, begin),
                            .dz = row(dz, begin),
                            .dc = row(dc, begin),
                            .rows = end - begin,
                            .units = units});
  });
  to.add(0, dz);
  to.add(1, dc);
}

void gru_backward(const Tensor& s, const Tensor& h, const Tensor& gates, const Tensor& dy,
                  Gradients& to) {
  const int64_t units = h.size(1);
  const Tensor dx = Tensor::empty(s.shape()), ds = Tensor::empty(s.shape());
  const Tensor dh = Tensor::empty(h.shape());
  parallel_rows(h.size(0), 3 * units, [&](int64_t begin, int64_t end) {
    kernels::gru_backward({.s = row(s, begin),
                           .h = row(h, begin),
                           .gates = row(gates, begin),
                           .dh_next = row(dy, begin),
                           .dx = row(dx, begin),
                           .ds = row(ds, begin),
                           .dh = row(dh, begin),
                           .rows = end - begin,
                           .units = units});
  });
  to.add(0, dx);
  to.add(1, ds);
  to.add(2, dh);
}

}  // namespace

LstmState lstm_cell(const Tensor& gates, const Tensor& c) {
  Dims dims("lstm_cell");
  dims.bind("c", c, "B H", DType::f32);
  dims.set('G', 4 * dims['H'], "four gates of H");
  dims.bind("gates", gates, "B G", DType::f32);
  const Tensor z = gates.detach().contiguous(), before = c.detach().contiguous();
  const Tensor open = Tensor::empty(gates.shape());
  const Tensor y = Tensor::empty({2, dims['B'], dims['H']});  // h', c'
  const Tensor h_next = y.select(0, 0), c_next = y.select(0, 1);
  parallel_rows(dims['B'], dims['G'], [&](int64_t begin, int64_t end) {
    kernels::lstm({.z = row(z, begin),
                   .c = row(before, begin),
                   .gates = row(open, begin),
                   .h_next = row(h_next, begin),
                   .c_next = row(c_next, begin),
                   .rows = end - begin,
                   .units = dims['H']});
  });
  if (!recording({&gates, &c})) return {h_next, c_next};
  const Tensor both = record(y, {gates, c}, [=](const Tensor& dy, Gradients& to) {
    lstm_backward(open, before, c_next, dy, to);
  });
  return {both.select(0, 0), both.select(0, 1)};
}

Tensor gru_cell(const Tensor& x_gates, const Tensor& h_gates, const Tensor& h) {
  Dims dims("gru_cell");
  dims.bind("h", h, "B H", DType::f32);
  dims.set('G', 3 * dims['H'], "three gates of H");
  dims.bind("x_gates", x_gates, "B G", DType::f32).bind("h_gates", h_gates, "B G", DType::f32);
  const Tensor x = x_gates.detach().contiguous(), s = h_gates.detach().contiguous();
  const Tensor before = h.detach().contiguous();
  const Tensor open = Tensor::empty(x_gates.shape());
  const Tensor y = Tensor::empty(h.shape());
  parallel_rows(dims['B'], dims['G'], [&](int64_t begin, int64_t end) {
    kernels::gru({.x = row(x, begin),
                  .s = row(s, begin),
                  .h = row(before, begin),
                  .gates = row(open, begin),
                  .h_next = row(y, begin),
                  .rows = end - begin,
                  .units = dims['H']});
  });
  if (!recording({&x_gates, &h_gates, &h})) return y;
  return record(y, {x_gates, h_gates, h},
                [=](const Tensor& dy, Gradients& to) { gru_backward(s, before, open, dy, to); });
}

}  // namespace heed
