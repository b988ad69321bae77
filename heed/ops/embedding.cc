#include "heed/ops/embedding.h"

#include <algorithm>
#include <span>
#include <string>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/elementwise.h"
#include "heed/ops/block_rows.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

/// Rows of a table of any float type as f32.
void copy_row(const Tensor& table, int64_t row, float* y) {
  const int64_t width = table.size(1);
  const int64_t offset = row * table.stride(0);
  if (table.dtype() == DType::f32) {
    std::copy_n(table.data<float>() + offset, width, y);
  } else {
    const auto* bits = reinterpret_cast<const uint16_t*>(table.raw_data()) + offset;
    (table.dtype() == DType::bf16 ? kernels::widen_bf16 : kernels::widen_f16)(bits, y, width);
  }
}

void check_ids(std::span<const int32_t> ids, int64_t vocab) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      throw Error(ErrorCode::invalid_argument,
                  "embedding: ids must be in [0, " + std::to_string(vocab) + ") but id " +
                      std::to_string(ids[i]) + " stands at position " + std::to_string(i));
    }
  }
}

/// y[i] = copy(ids[i]) of a table [V, C].
template <class F>
Tensor pick_rows(const Tensor& ids, int64_t vocab, int64_t width, const F& copy) {
  const Tensor wanted = ids.contiguous();
  const auto list = wanted.span<int32_t>();
  check_ids(list, vocab);
  Shape shape = ids.shape();
  shape.push_back(width);
  const Tensor y = Tensor::empty(shape);
  float* to = y.data<float>();
  parallel_rows(wanted.numel(), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) copy(list[static_cast<size_t>(i)], to + i * width);
  });
  return y;
}

/// sums[ids[i]] += dy[i] but for the padding's, rows of a unit stride. Threads share the columns,
/// so that every element is added up in the order of ids however many there are.
void add_rows(const Tensor& sums, std::span<const int32_t> ids, int32_t padding, const Tensor& dy) {
  constexpr int64_t kLine = 16;  // columns that no two threads should share
  const int64_t width = sums.size(1);
  const int64_t share = (width + num_threads() - 1) / num_threads();
  const int64_t columns = (share + kLine - 1) / kLine * kLine;
  parallel_chunks(width, columns, [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == padding) continue;
      float* to = sums.data<float>() + ids[i] * sums.stride(0) + begin;
      kernels::add(to, dy.data<float>() + static_cast<int64_t>(i) * width + begin, to, end - begin);
    }
  });
}

void embedding_backward(const Tensor& ids, int32_t padding, const Tensor& dy, Gradients& to) {
  const Tensor sums = to.sums(0);  // [V, C]
  const auto list = ids.span<int32_t>();
  if (sums.size(1) <= 1 || sums.stride(1) == 1) return add_rows(sums, list, padding, dy);
  const Tensor rows = Tensor::zeros(sums.shape());
  add_rows(rows, list, padding, dy);
  to.add(0, rows);
}

}  // namespace

Tensor embedding(const Tensor& table, const Tensor& ids, int32_t padding) {
  Dims("embedding").bind("table", table, "V C").bind("ids", ids, "...", DType::i32);
  const DType dtype = table.dtype();
  if (dtype != DType::f32 && dtype != DType::bf16 && dtype != DType::f16) {
    throw Error(ErrorCode::unsupported, "embedding: table must be f32, bf16 or f16 but is " +
                                            std::string(to_string(dtype)));
  }
  const Tensor plain = table.detach();
  const Tensor rows = table.stride(1) == 1 || table.size(1) <= 1 ? plain : plain.contiguous();
  const Tensor y = pick_rows(ids, table.size(0), table.size(1),
                             [&](int32_t id, float* to) { copy_row(rows, id, to); });
  if (!recording({&table})) return y;
  return record(y, {table},
                [wanted = ids.contiguous(), padding](const Tensor& dy, Gradients& gradients) {
                  embedding_backward(wanted, padding, dy, gradients);
                });
}

Tensor embedding(const BlockMatrix& table, const Tensor& ids) {
  Dims("embedding").bind("ids", ids, "...", DType::i32);
  const kernels::BlockRows rows = internal::block_rows(table);
  return pick_rows(ids, table.rows, table.columns, [&](int32_t id, float* to) {
    kernels::dequantize(rows, id, 1, to, table.columns);
  });
}

}  // namespace heed
