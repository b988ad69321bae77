#include "heed/ops/attention_gradient.h"

#include <vector>

#include "heed/autograd/tape.h"
#include "heed/ops/attention_backward.h"

namespace heed::internal {
namespace {

// Places of attention's inputs on the tape; additive masks follow.
enum Input : size_t { kQ, kK, kV, kAlibi, kTable, kSinks, kBiases };

void add(Gradients& to, size_t input, const Tensor& gradient) {
  if (gradient.defined()) to.add(input, gradient.to(DType::f32));
}

}  // namespace

bool records_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options) {
  const Tensor none;
  const Tensor& table = options.relative ? options.relative->table : none;
  return recording({&q, &k, &v, &options.alibi, &table, &options.sinks}) ||
         recording(options.mask.additives());
}

Tensor record_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionOptions& options, const AttentionOutputs& out) {
  const std::vector<Tensor>& biases = options.mask.additives();
  std::vector<Tensor> inputs{
      q, k, v, options.alibi, options.relative ? options.relative->table : Tensor(), options.sinks};
  inputs.insert(inputs.end(), biases.begin(), biases.end());
  return record(out.y, inputs,
                [q = q.detach(), k = k.detach(), v = v.detach(), options, y = out.y, lse = out.lse](
                    const Tensor& dy, Gradients& to) {
                  const size_t count = options.mask.additives().size();
                  AttentionGradientWant want{.q = to.wants(kQ),
                                             .k = to.wants(kK),
                                             .v = to.wants(kV),
                                             .alibi = to.wants(kAlibi),
                                             .t5_table = to.wants(kTable),
                                             .sinks = to.wants(kSinks)};
                  for (size_t i = 0; i < count; ++i) want.bias |= to.wants(kBiases + i);
                  if (q.dtype() == DType::f32) want.places = to.places({kQ, kK, kV});
                  const AttentionGradients found =
                      attention_backward(q, k, v, options, y, lse, dy.to(y.dtype()), want);
                  if (want.places.empty()) {
                    add(to, kQ, found.dq);
                    add(to, kK, found.dk);
                    add(to, kV, found.dv);
                  }
                  add(to, kAlibi, found.dalibi);
                  add(to, kTable, found.dt5_table);
                  add(to, kSinks, found.dsinks);
                  for (size_t i = 0; want.bias && i < count; ++i) {
                    add(to, kBiases + i, found.dbias[i]);
                  }
                });
}

}  // namespace heed::internal
