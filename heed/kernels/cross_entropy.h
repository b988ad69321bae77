#pragma once

#include <cstdint>

namespace heed::kernels {

/// The cross-entropy of one token: logits against a target in [0, n), of which a share `smoothing`
/// goes evenly to all classes (Szegedy et al., 2016, section 7).
struct CrossEntropyRow {
  const float* logits;  // [n]
  int64_t n;
  int64_t target;
  float smoothing = 0;        // in [0, 1)
  float factor = 1;           // of the gradient
  float* gradient = nullptr;  // [n], may be logits; null: not wanted
};

/// loss = log sum_j e^x_j - (1 - s) x_target - s mean(x); gradient_j = factor (softmax(x)_j - (1 -
/// s) [j = target] - s / n). With u = (n / 8 + 8 + max |x_j - max x|) eps, eps = 2^-24: the loss is
/// within u + 2^-52 (|x|'s size) of the exact one, the gradient within u |factor| (softmax_j + s /
/// n
/// + [j = target]). -inf is a class that cannot be; NaN gives NaN. No scratch, no threads.
double cross_entropy(const CrossEntropyRow& row);

namespace ref {
/// The law, in f64 and rounded once.
double cross_entropy(const CrossEntropyRow& row);
}  // namespace ref

}  // namespace heed::kernels
