#include "heed/ops/blocks.h"

#include <string>

#include "heed/base/error.h"
#include "heed/kernels/blocks.h"
#include "heed/ops/block_rows.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

BlockKind kind_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return BlockKind::f32;
    case DType::bf16:
      return BlockKind::bf16;
    case DType::f16:
      return BlockKind::f16;
    default:
      throw Error(ErrorCode::unsupported, "blocks: a matrix must be f32, bf16 or f16 but is " +
                                              std::string(to_string(dtype)));
  }
}

void check_kind(BlockKind kind, int64_t columns) {
  if (!kernels::can_quantize(kind)) {
    throw Error(ErrorCode::unsupported,
                "quantize: the kind must be f32, bf16, f16, q8_0, q4_0 or "
                "q4_1 but is " +
                    std::string(to_string(kind)));
  }
  if (columns % block_size(kind) != 0) {
    throw Error(ErrorCode::unsupported, "quantize: rows must be a multiple of " +
                                            std::to_string(block_size(kind)) + " long for " +
                                            std::string(to_string(kind)) + " but have " +
                                            std::to_string(columns) + " numbers");
  }
}

}  // namespace

Tensor dequantize(const BlockMatrix& matrix) {
  const Tensor result = Tensor::empty({matrix.rows, matrix.columns});
  const kernels::BlockRows rows = internal::block_rows(matrix);
  float* const to = result.data<float>();
  parallel_rows(matrix.rows, matrix.columns, [&](int64_t begin, int64_t end) {
    kernels::dequantize(rows, begin, end - begin, to + begin * matrix.columns, matrix.columns);
  });
  return result;
}

BlockMatrix quantize(const Tensor& matrix, BlockKind kind) {
  Dims("quantize").bind("matrix", matrix, "N K");
  kind_of(matrix.dtype());
  check_kind(kind, matrix.size(1));
  BlockMatrix result{.kind = kind, .rows = matrix.size(0), .columns = matrix.size(1)};
  result.row_bytes = block_row_bytes(kind, result.columns);
  const auto storage = Storage::allocate(result.rows * result.row_bytes);
  result.data = storage->data();
  result.owner = storage;
  parallel_rows(result.rows, result.columns, [&](int64_t begin, int64_t end) {
    const Tensor some = matrix.detach().slice(0, begin, end).to(DType::f32).contiguous();
    for (int64_t i = begin; i < end; ++i) {
      kernels::quantize(kind, some.data<float>() + (i - begin) * result.columns, result.columns,
                        storage->data() + i * result.row_bytes);
    }
  });
  return result;
}

BlockMatrix as_blocks(const Tensor& matrix) {
  Dims("blocks").bind("matrix", matrix, "N K");
  const BlockKind kind = kind_of(matrix.dtype());
  const bool in_place = matrix.size(1) <= 1 || matrix.stride(1) == 1;
  const Tensor rows = in_place ? matrix.detach() : matrix.detach().contiguous();
  return {.kind = kind,
          .rows = rows.size(0),
          .columns = rows.size(1),
          .data = rows.raw_data(),
          .row_bytes = rows.stride(0) * block_bytes(kind),
          .owner = std::make_shared<const Tensor>(rows)};
}

}  // namespace heed
