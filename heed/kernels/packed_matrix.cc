#include "heed/kernels/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "heed/base/error.h"

namespace heed::kernels {

void PackedMatrix::Free::operator()(float* block) const {
  std::free(block);  // NOLINT(cppcoreguidelines-no-malloc)
}

PackedMatrix::Block PackedMatrix::allocate(int64_t floats) {
  constexpr size_t kCacheLine = 64;
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(floats, 1)) * sizeof(float);
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  const size_t rounded = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  void* block = nullptr;
  if (posix_memalign(&block, alignment, rounded) != 0) {
    throw Error(ErrorCode::out_of_memory,
                "linear: the system refused " + std::to_string(rounded) + " bytes for weights");
  }
  // weights stream by in long runs: huge pages spare the address look-ups (5 to 8 % at one row);
  // the part past the last whole one keeps small pages, so no memory is spent on it
  madvise(block, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  std::memset(block, 0, rounded);
  return Block(static_cast<float*>(block));
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
