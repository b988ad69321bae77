#include "heed/ops/real_rows.h"

#include <algorithm>
#include <numeric>

#include "heed/base/error.h"

namespace heed {
namespace {

/// f(the batch row's first number, the same packed, how many are real) of each batch row.
template <class F>
void for_each_row(const Tensor& x, std::span<const int64_t> lengths, const F& f) {
  HEED_ASSERT(x.rank() == 3 && x.size(0) == std::ssize(lengths));
  int64_t at = 0;
  for (int64_t b = 0; b < x.size(0); ++b) {
    const int64_t count = lengths[static_cast<size_t>(b)] * x.size(2);
    f(b * x.size(1) * x.size(2), at, count);
    at += count;
  }
}

}  // namespace

Tensor pack_rows(const Tensor& x, std::span<const int64_t> lengths) {
  const int64_t rows = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const Tensor from = x.contiguous();
  const Tensor y = Tensor::empty({1, rows, x.size(2)});
  for_each_row(x, lengths, [&](int64_t first, int64_t at, int64_t count) {
    std::copy_n(from.data<float>() + first, count, y.data<float>() + at);
  });
  return y;
}

void unpack_rows(const Tensor& y, std::span<const int64_t> lengths, const Tensor& x) {
  for_each_row(x, lengths, [&](int64_t first, int64_t at, int64_t count) {
    std::copy_n(y.data<float>() + at, count, x.span<float>().data() + first);
  });
}

}  // namespace heed
