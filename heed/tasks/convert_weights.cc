#include "heed/tasks/convert_weights.h"

#include <cstring>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/ops/blocks.h"

namespace heed::internal {
namespace {

/// The rows of x in another order, contiguous.
Tensor reorder(const Tensor& x, const std::function<int64_t(int64_t)>& row_of) {
  const Tensor from = x.contiguous();
  const Tensor to = Tensor::empty(from.shape(), from.dtype());
  const int64_t row_bytes =
      from.size(0) == 0 ? 0 : from.numel() / from.size(0) * size_of(from.dtype());
  for (int64_t i = 0; i < from.size(0); ++i) {
    std::memcpy(to.raw_data() + i * row_bytes, from.raw_data() + row_of(i) * row_bytes,
                static_cast<size_t>(row_bytes));
  }
  return to;
}

BlockMatrix reorder(const BlockMatrix& x, const std::function<int64_t(int64_t)>& row_of) {
  const int64_t row_bytes = block_row_bytes(x.kind, x.columns);
  const auto storage = Storage::allocate(x.rows * row_bytes);
  for (int64_t i = 0; i < x.rows; ++i) {
    std::memcpy(storage->data() + i * row_bytes, x.data + row_of(i) * x.row_bytes,
                static_cast<size_t>(row_bytes));
  }
  return {x.kind, x.rows, x.columns, storage->data(), row_bytes, storage};
}

}  // namespace

bool StoredWeight::is_real() const {
  if (blocks) return true;
  const DType dtype = numbers.dtype();
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16 || dtype == DType::f64;
}

Shape StoredWeight::shape() const {
  return blocks ? Shape{blocks->rows, blocks->columns} : numbers.shape();
}

BlockKind StoredWeight::kind() const {
  if (blocks) return blocks->kind;
  if (numbers.dtype() == DType::bf16) return BlockKind::bf16;
  return numbers.dtype() == DType::f16 ? BlockKind::f16 : BlockKind::f32;
}

Tensor StoredWeight::values() const {
  return blocks ? dequantize(*blocks) : numbers.to(DType::f32);
}

StoredWeight StoredWeight::reordered(const std::function<int64_t(int64_t)>& row_of) const {
  if (blocks) return {Tensor(), reorder(*blocks, row_of)};
  return {reorder(numbers, row_of), std::nullopt};
}

StoredWeight stored_tensor(const Params::Source& source, const std::string& name) {
  StoredWeight weight{source.find(name), std::nullopt};
  if (!weight.numbers) weight.blocks = source.blocks(name);
  HEED_ASSERT(weight.numbers || weight.blocks);
  return weight;
}

StoredWeight stored_weight(const Params::Source& source, const std::string& name) {
  StoredWeight weight = stored_tensor(source, name);
  if (weight.is_real()) return weight;
  throw Error(ErrorCode::unsupported, "convert: " + source.describe() + " has " + in_quotes(name) +
                                          " as " + std::string(to_string(weight.numbers.dtype())) +
                                          ", needed real numbers");
}

int64_t half_of_interleaved(int64_t row, int64_t head_dim) {
  const int64_t within = row % head_dim;
  return row - within + within / 2 + within % 2 * (head_dim / 2);
}

int64_t interleaved_of_half(int64_t row, int64_t head_dim) {
  const int64_t within = row % head_dim;
  const int64_t half = head_dim / 2;
  return row - within + within % half * 2 + within / half;
}

}  // namespace heed::internal
