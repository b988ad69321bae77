#include "heed/kernels/packed_matrix.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "heed/base/error.h"
#include "heed/base/memory.h"

namespace heed::kernels {

void PackedMatrix::Free::operator()(float* block) const { free_memory(block); }

PackedMatrix::Block PackedMatrix::allocate(int64_t floats) {
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(floats, 1)) * sizeof(float);
  std::byte* block = allocate_memory(bytes);
  if (block == nullptr) {
    throw Error(ErrorCode::out_of_memory,
                "linear: the system refused " + std::to_string(bytes) + " bytes for weights");
  }
  std::memset(block, 0, bytes);
  return Block(reinterpret_cast<float*>(block));
}

template <class F>
void PackedMatrix::for_columns(int64_t first, int64_t count, const F& f) const {
  constexpr int64_t kBlock = 16;  // inputs at a time: the lines of a panel stay in L1
  for (int64_t begin = 0; begin < inputs_; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, inputs_);
    for (int64_t row = 0; row < count; ++row) {
      const int64_t output = first + row;
      const int64_t column = output / kPanel * inputs_ * kPanel + output % kPanel;
      for (int64_t k = begin; k < end; ++k) f(row, k, column + k * kPanel);
    }
  }
}

PackedMatrix::PackedMatrix(int64_t outputs, int64_t inputs)
    : outputs_(outputs),
      inputs_(inputs),
      weights_(allocate(panels() * inputs * kPanel)),
      bias_(allocate(panels() * kPanel)) {}

void PackedMatrix::set_rows(int64_t first, int64_t count, const float* rows, int64_t stride) {
  HEED_ASSERT(first >= 0 && count >= 0 && first + count <= outputs_);
  for_columns(first, count, [&](int64_t row, int64_t k, int64_t at) {
    weights_[static_cast<size_t>(at)] = rows[row * stride + k];
  });
}

void PackedMatrix::get_rows(int64_t first, int64_t count, float* rows, int64_t stride) const {
  HEED_ASSERT(first >= 0 && count >= 0 && first + count <= outputs_);
  for_columns(first, count, [&](int64_t row, int64_t k, int64_t at) {
    rows[row * stride + k] = weights_[static_cast<size_t>(at)];
  });
}

void PackedMatrix::set_bias(int64_t first, int64_t count, const float* bias) {
  HEED_ASSERT(first >= 0 && count >= 0 && first + count <= outputs_);
  std::copy_n(bias, count, bias_.get() + first);
}

}  // namespace heed::kernels
