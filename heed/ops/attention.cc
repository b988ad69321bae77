#include "heed/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/kernels/attention.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

using kernels::AttentionMask;
using kernels::AttentionProblem;
using kernels::AttentionRows;
using kernels::kAttentionQueries;

/// What a problem's pointers point into.
struct MaskStorage {
  std::vector<int64_t> offsets;  // [B]
  std::vector<int64_t> lengths;  // [B]
  std::vector<AttentionMask> masks;
};

void expect_contiguous_rows(const char* name, const Tensor& tensor) {
  if (tensor.numel() == 0 || tensor.size(-1) <= 1 || tensor.stride(-1) == 1) return;
  throw Error(ErrorCode::invalid_argument, std::string("attention: the last dimension of ") + name +
                                               " must be contiguous but has stride " +
                                               std::to_string(tensor.stride(-1)) +
                                               "; call contiguous()");
}

template <class T>
AttentionRows<T> rows_of(const Tensor& tensor) {
  return {tensor.data<float>(), tensor.stride(0), tensor.stride(1), tensor.stride(2)};
}

Tensor broadcast_mask(const Tensor& mask, const Shape& scores) {
  bool fits = mask.rank() <= 4;
  for (int i = 1; fits && i <= mask.rank(); ++i) {
    fits = mask.size(-i) == 1 || mask.size(-i) == scores[4 - i];
  }
  if (fits) return mask.expand(scores);
  throw Error(ErrorCode::invalid_argument,
              "attention: a mask must broadcast to [B, H, T, S] = " + to_string(scores) +
                  " but is " + to_string(mask.shape()));
}

MaskStorage store_mask(const Mask& mask, const Dims& dims) {
  MaskStorage stored;
  const int64_t batch = dims['B'];
  for (int64_t b = 0; b < batch; ++b) {
    if (const auto offset = mask.causal_offset(b, batch, dims['T'], dims['S'])) {
      constexpr int64_t kOpen = INT64_MAX / 2;  // leaves room to add a query's index
      stored.offsets.push_back(std::clamp(*offset, -kOpen, kOpen));
    }
    if (!mask.lengths().empty()) stored.lengths.push_back(mask.length(b, batch, dims['S']));
  }
  const Shape scores{dims['B'], dims['H'], dims['T'], dims['S']};
  const auto add = [&](const Tensor& tensor, const bool* visible, const float* bias) {
    const Tensor view = broadcast_mask(tensor, scores);
    stored.masks.push_back(
        {visible, bias, view.stride(0), view.stride(1), view.stride(2), view.stride(3)});
  };
  // Hiding comes last, so that nothing is added to a hidden score.
  for (const Tensor& tensor : mask.additives()) add(tensor, nullptr, tensor.data<float>());
  for (const Tensor& tensor : mask.booleans()) add(tensor, tensor.data<bool>(), nullptr);
  return stored;
}

/// This thread's scratch; it grows to the largest need and stays.
std::byte* thread_scratch(int64_t bytes) {
  thread_local std::shared_ptr<Storage> storage;
  if (storage == nullptr || storage->bytes() < bytes) storage = Storage::allocate(bytes);
  return storage->data();
}

// Queries in one task: as many as the kernel takes, so that keys are read once for all of them, but
// fewer when there would be too few tasks to go round. Bits do not depend on it.
int64_t queries_per_task(int64_t batch_heads, int64_t queries) {
  constexpr int64_t kLeast = 32;
  const int64_t wanted_tasks = int64_t{4} * num_threads();
  int64_t size = kAttentionQueries;
  while (num_threads() > 1 && size > kLeast &&
         batch_heads * ((queries + size - 1) / size) < wanted_tasks) {
    size /= 2;
  }
  return size;
}

void run(const AttentionProblem& problem, int64_t batch) {
  const int64_t size = queries_per_task(batch * problem.heads, problem.queries);
  const int64_t blocks = (problem.queries + size - 1) / size;
  const int64_t bytes = kernels::attention_scratch_bytes(problem.head_dim, problem.value_dim);
  parallel_for(batch * problem.heads * blocks, [&](int64_t task, int) {
    const int64_t first = task % blocks * size;
    const int64_t head = task / blocks;
    kernels::attention(problem, head / problem.heads, head % problem.heads, first,
                       std::min(size, problem.queries - first), thread_scratch(bytes));
  });
}

Dims check(const Tensor& q, const Tensor& k, const Tensor& v) {
  Dims dims("attention");
  dims.bind("q", q, "B H T D", DType::f32)
      .bind("k", k, "B G S D", DType::f32)
      .bind("v", v, "B G S E", DType::f32);
  if (dims['G'] == 0 ? dims['H'] != 0 : dims['H'] % dims['G'] != 0) {
    throw Error(ErrorCode::invalid_argument,
                "attention: H must be a multiple of G but q has H=" + std::to_string(dims['H']) +
                    " heads and k has G=" + std::to_string(dims['G']));
  }
  expect_contiguous_rows("q", q);
  expect_contiguous_rows("k", k);
  expect_contiguous_rows("v", v);
  return dims;
}

float scale_of(const AttentionOptions& options, int64_t head_dim) {
  if (!options.scale) return 1.0F / std::sqrt(static_cast<float>(std::max<int64_t>(head_dim, 1)));
  if (!std::isfinite(*options.scale)) {
    throw Error(ErrorCode::invalid_argument,
                "attention: scale must be finite but is " + std::to_string(*options.scale));
  }
  return *options.scale;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options) {
  return attention_outputs(q, k, v, options, {}).y;
}

AttentionOutputs attention_outputs(const Tensor& q, const Tensor& k, const Tensor& v,
                                   const AttentionOptions& options, const AttentionWant& want) {
  const Dims dims = check(q, k, v);
  const MaskStorage mask = store_mask(options.mask, dims);
  const int64_t batch = dims['B'];
  const Shape rows{batch, dims['H'], dims['T']};
  const Shape pairs{batch, dims['H'], dims['T'], dims['S']};

  AttentionOutputs out;
  out.y = Tensor::empty({batch, dims['T'], dims['H'], dims['E']}).transpose(1, 2);
  if (want.lse) out.lse = Tensor::empty(rows);
  if (want.weights) out.weights = Tensor::empty(pairs);
  if (want.scores) out.scores = Tensor::empty(pairs);

  AttentionProblem problem{.heads = dims['H'],
                           .kv_heads = dims['G'],
                           .queries = dims['T'],
                           .keys = dims['S'],
                           .head_dim = dims['D'],
                           .value_dim = dims['E'],
                           .q = rows_of<const float>(q),
                           .k = rows_of<const float>(k),
                           .v = rows_of<const float>(v),
                           .y = rows_of<float>(out.y),
                           .scale = scale_of(options, dims['D']),
                           .causal_offsets = mask.offsets.empty() ? nullptr : mask.offsets.data(),
                           .lengths = mask.lengths.empty() ? nullptr : mask.lengths.data(),
                           .masks = mask.masks};
  if (want.lse) problem.lse = out.lse.data<float>();
  if (want.weights) problem.weights = out.weights.data<float>();
  if (want.scores) problem.scores = out.scores.data<float>();
  run(problem, batch);
  return out;
}

}  // namespace heed
