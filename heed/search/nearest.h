#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace heed {

/// A row's codes times scale are the row, but for a difference that is no longer (in the Euclidean
/// norm) than error.
struct RowScale {
  float scale;
  float error;
};

/// Codes of a row of `width` numbers: the next multiple of the kernel's step, zeros behind.
int64_t code_width(int64_t width);

/// Writes code_width(x.size()) codes within [-127, 127]. Error invalid_argument for what is no
/// number.
RowScale quantize_row(std::span<const float> x, int8_t* codes);

/// Rows one behind the other, as an index holds them. W is the query's size.
struct RowBlock {
  int64_t first;           // the number of its first row
  int64_t count;           // R
  const float* vectors;    // [R, W]
  const int8_t* codes;     // [R, code_width(W)]
  const RowScale* scales;  // [R]
  float longest;           // no row is longer
};

struct Near {
  int64_t row;
  float score;
  bool operator==(const Near&) const = default;
};

/// The k rows with the largest products with the query, largest first, equal ones by number: what a
/// sort of every row's f32 product (kernels/block_product.h) gives, to the bit, whatever the number
/// of threads. Fewer if there are fewer rows.
///
/// With x = s c + e, q = t p + g (codes c in 8 bits, p in 16; |e| <= error) the integer product
/// gives x.q = s t (c.p) + t (p.e) + x.g, so it is within error |t p| + |x| |g| of the exact one,
/// and the f32 product is within 2 (W + 1) 2^-24 |x| |q| of that. Only rows whose upper bound
/// reaches the k-th largest lower bound can be among the k: they alone are read in f32.
///
/// Error invalid_argument for a query that is no number; corrupt_data for such a row among those
/// that could be near. Rows whose scale or error is no number are never found.
std::vector<Near> nearest(std::span<const RowBlock> blocks, std::span<const float> query,
                          int64_t k);

}  // namespace heed
