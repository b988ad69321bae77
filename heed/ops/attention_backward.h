#pragma once

#include <vector>

#include "heed/ops/attention.h"

namespace heed {

/// Which gradients attention_backward computes.
struct AttentionGradientWant {
  bool q = true;
  bool k = true;
  bool v = true;
  bool bias = false;  // of every additive part of the mask
  bool alibi = false;
  bool t5_table = false;  // of options.relative
  bool sinks = false;
  /// Where dq, dk and dv, all wanted, are written: q, k and v are f32, and these of their shapes,
  /// the last dimension contiguous. Empty: tensors of their own.
  std::vector<Tensor> places;
};

/// Undefined where not wanted.
struct AttentionGradients {
  Tensor dq;                  // [B, H, T, D], of q's dtype, laid out in memory as [B, T, H, D]
  Tensor dk;                  // [B, G, S, D], of k's dtype, laid out in memory as [B, S, G, D]
  Tensor dv;                  // [B, G, S, E], likewise
  std::vector<Tensor> dbias;  // as Mask::additives(), each of its mask's own shape, f32
  Tensor dalibi;              // [H], f32
  Tensor dt5_table;           // [buckets, H], f32
  Tensor dsinks;              // [H], f32
};

/// Gradients of attention(q, k, v, options) from y and lse [B, H, T] as attention_outputs gave them
/// and dy, the gradient of y: dtype and shape of y, any strides but a contiguous last dimension.
/// Weights are recomputed tile by tile (FlashAttention-2; Dao, 2023): no T x S matrix is made but a
/// dense additive mask's own gradient. The same bits at any number of threads; parallel over keys
/// too, so a single head is enough. Queries that see no key give zeros, hidden keys have no effect,
/// whatever they hold. Throws Error invalid_argument on shapes, dtypes and options that disagree,
/// and where a gradient is wanted of something the options do not have.
AttentionGradients attention_backward(const Tensor& q, const Tensor& k, const Tensor& v,
                                      const AttentionOptions& options, const Tensor& y,
                                      const Tensor& lse, const Tensor& dy,
                                      const AttentionGradientWant& want = {});
/// Keys in pages are a cache for generation, where nothing is trained: there is no gradient.
AttentionGradients attention_backward(const Tensor& q, const KvPages& pages,
                                      const AttentionOptions& options, const Tensor& y,
                                      const Tensor& lse, const Tensor& dy,
                                      const AttentionGradientWant& want = {}) = delete;

}  // namespace heed
