#pragma once

#include <cstdint>

namespace heed::kernels {

// One pass over a parameter each, in place, f32. Every operation is rounded by itself and sums run
// in a fixed number of lanes, so all instruction sets give the same bits. Any alignment; w, g and
// the state may not overlap. Cost: one read and write of each array, so memory's speed.

/// Adam and AdamW (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2). With
/// g' = gradient_factor g + l2 w:
///   m += (1 - beta1) (g' - m)
///   v  = beta2 v + (1 - beta2) g'^2
///   w  = decay w - step_size m / (inverse_root sqrt(v) + epsilon)
struct AdamStep {
  float gradient_factor = 1;
  float l2 = 0;     // adam's weight decay
  float decay = 1;  // adamw's: 1 - rate x weight decay
  float one_minus_beta1 = 0;
  float beta2 = 0;
  float one_minus_beta2 = 0;
  float step_size = 0;     // rate / (1 - beta1^t)
  float inverse_root = 1;  // (1 - beta2^t)^-1/2
  float epsilon = 0;
};
void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n);

/// With g' = gradient_factor g + l2 w:  b = momentum b + g',  w -= rate b  or, with nesterov, w -=
/// rate (g' + momentum b). buffer null: no momentum, w -= rate g'.
struct SgdStep {
  float gradient_factor = 1;
  float l2 = 0;
  float rate = 0;
  float momentum = 0;
  bool nesterov = false;
};
void sgd(const SgdStep& step, float* w, const float* g, float* buffer, int64_t n);

/// Lion (Chen et al. 2023, algorithm 2). With g' = gradient_factor g:
///   w = decay w - rate sign(beta1 m + (1 - beta1) g'),  m = beta2 m + (1 - beta2) g'
struct LionStep {
  float gradient_factor = 1;
  float decay = 1;
  float rate = 0;
  float beta1 = 0;
  float one_minus_beta1 = 0;
  float beta2 = 0;
  float one_minus_beta2 = 0;
};
void lion(const LionStep& step, float* w, const float* g, float* m, int64_t n);

/// sum_i (factor x[i] y[i])^2, y null standing for ones; products in f32, sum in f64.
double sum_squares(const float* x, const float* y, float factor, int64_t n);

/// Adafactor's squares of one row (Shazeer and Stern 2018, algorithm 4): s[i] = (factor g[i])^2 +
/// epsilon is added to column_sums[i]; returns their sum.
double adafactor_squares(const float* g, float factor, float epsilon, double* column_sums,
                         int64_t n);

/// Adafactor's update of one row: u = row_factor column_factors[i] g[i], through the first moment
/// m = beta1 m + (1 - beta1) u if there is one (m not null), then w = w - decay w - u.
struct AdafactorStep {
  float row_factor = 0;
  float decay = 0;  // rate x weight decay
  float beta1 = 0;
  float one_minus_beta1 = 0;
};
void adafactor(const AdafactorStep& step, float* w, const float* g, const float* column_factors,
               float* m, int64_t n);

namespace ref {
void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n);
void sgd(const SgdStep& step, float* w, const float* g, float* buffer, int64_t n);
void lion(const LionStep& step, float* w, const float* g, float* m, int64_t n);
double sum_squares(const float* x, const float* y, float factor, int64_t n);
double adafactor_squares(const float* g, float factor, float epsilon, double* column_sums,
                         int64_t n);
void adafactor(const AdafactorStep& step, float* w, const float* g, const float* column_factors,
               float* m, int64_t n);
}  // namespace ref

}  // namespace heed::kernels
