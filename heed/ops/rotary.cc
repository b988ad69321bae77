#include "heed/ops/rotary.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/kernels/rotary.h"
#include "heed/ops/chunks.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "rotary: " + text);
}

kernels::Element element_of(const Tensor& x) {
  if (x.dtype() == DType::f32) return kernels::Element::f32;
  if (x.dtype() == DType::bf16) return kernels::Element::bf16;
  if (x.dtype() == DType::f16) return kernels::Element::f16;
  refuse("x must be f32, bf16 or f16 but is " + std::string(to_string(x.dtype())));
}

/// Which row of the table a token turns by.
class Rows {
 public:
  Rows(const Tensor& x, const RotaryTable& table, const RotaryOptions& options)
      : tokens_(x.size(2)), first_(options.first_position) {
    Dims dims("rotary");
    dims.bind("x", x, "B H T D");
    const bool by_token = table.cosines.rank() == 3;
    const char* letters = by_token ? "B T R" : "P R";
    dims.bind("cosines", table.cosines, letters, DType::f32);
    dims.bind("sines", table.sines, letters, DType::f32);
    pairs_ = dims['R'];
    if (2 * pairs_ > x.size(3)) {
      refuse("cosines for at most D/2=" + std::to_string(x.size(3) / 2) + " pairs are needed but " +
             std::to_string(pairs_) + " were found");
    }
    cosines_ = table.cosines.contiguous();
    sines_ = table.sines.contiguous();
    if (by_token) {
      if (options.positions.defined() || first_ != 0) {
        refuse("positions need a table by position, [P, R/2], but it has a row for each token");
      }
      first_ = 0;
      per_batch_ = tokens_;
      return;
    }
    if (options.positions.defined()) {
      const bool shared = options.positions.rank() == 1;
      dims.bind("positions", options.positions, shared ? "T" : "B T", DType::i32);
      positions_ = options.positions.contiguous();
      positions_of_a_row_ = shared ? 0 : tokens_;
    }
    check_positions(x, dims['P']);
  }

  int64_t row(int64_t b, int64_t t) const {
    if (positions_.defined()) {
      return positions_.data<int32_t>()[b * positions_of_a_row_ + t];
    }
    return b * per_batch_ + first_ + t;
  }
  int64_t pairs() const { return pairs_; }
  const float* cosines(int64_t row) const { return cosines_.data<float>() + row * pairs_; }
  const float* sines(int64_t row) const { return sines_.data<float>() + row * pairs_; }

 private:
  void check_positions(const Tensor& x, int64_t count) const {
    for (int64_t b = 0; b < x.size(0); ++b) {
      for (int64_t t = 0; t < tokens_; ++t) {
        const int64_t position = row(b, t);
        if (position >= 0 && position < count) continue;
        refuse("positions must be in [0, P=" + std::to_string(count) + ") but token " +
               std::to_string(t) + " of batch row " + std::to_string(b) + " stands at " +
               std::to_string(position));
      }
    }
  }

  int64_t tokens_;
  int64_t first_;
  int64_t per_batch_ = 0;  // rows of the table between batch rows
  int64_t pairs_ = 0;
  Tensor cosines_, sines_, positions_;
  int64_t positions_of_a_row_ = 0;
};

void rotate(const Tensor& x, const Tensor& y, const Rows& rows, RotaryPairs pairs,
            bool inverse = false) {
  const int64_t tokens = x.size(2);
  const int64_t bytes = size_of(x.dtype());
  const kernels::Element element = element_of(x);
  parallel_rows(x.size(0) * tokens, x.size(1) * x.size(3), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / tokens;
      const int64_t t = i % tokens;
      const int64_t row = rows.row(b, t);
      kernels::rotary({.x = x.raw_data() + (b * x.stride(0) + t * x.stride(2)) * bytes,
                       .x_head = x.stride(1),
                       .y = y.raw_data() + (b * y.stride(0) + t * y.stride(2)) * bytes,
                       .y_head = y.stride(1),
                       .element = element,
                       .heads = x.size(1),
                       .size = x.size(3),
                       .pairs = rows.pairs(),
                       .cosines = rows.cosines(row),
                       .sines = rows.sines(row),
                       .interleaved = pairs == RotaryPairs::interleaved,
                       .inverse = inverse});
    }
  });
}

void check_layout(const Tensor& x) {
  if (x.numel() == 0 || x.size(-1) <= 1 || x.stride(-1) == 1) return;
  refuse("the last dimension of x must be contiguous but has stride " +
         std::to_string(x.stride(-1)) + "; call contiguous()");
}

/// [B, H, T, D], laid out in memory as [B, T, H, D].
Tensor empty_by_token(const Shape& shape, DType dtype) {
  return Tensor::empty({shape[0], shape[2], shape[1], shape[3]}, dtype).transpose(1, 2);
}

}  // namespace

std::vector<float> rotary_frequencies(int64_t rotary_dim, float base) {
  if (rotary_dim < 0 || rotary_dim % 2 != 0) {
    refuse("the rotated part of a head must be even but is " + std::to_string(rotary_dim));
  }
  if (!(base > 0) || !std::isfinite(base)) {
    refuse("the base must be positive but is " + std::to_string(base));
  }
  std::vector<float> frequencies;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(rotary_dim);
    frequencies.push_back(1.0F / std::pow(base, exponent));
  }
  return frequencies;
}

RotaryTable rotary_table(int64_t positions, int64_t rotary_dim, float base) {
  const std::vector<float> frequencies = rotary_frequencies(rotary_dim, base);
  const auto pairs = static_cast<int64_t>(frequencies.size());
  RotaryTable table{Tensor::empty({positions, pairs}), Tensor::empty({positions, pairs})};
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < pairs; ++i) {
      const float angle = static_cast<float>(p) * frequencies[static_cast<size_t>(i)];
      table.cosines.at({p, i}) = std::cos(angle);
      table.sines.at({p, i}) = std::sin(angle);
    }
  }
  return table;
}

Tensor rotary(const Tensor& x, const RotaryTable& table, const RotaryOptions& options) {
  const Rows rows(x, table, options);
  check_layout(x);
  const Tensor y = empty_by_token(x.shape(), x.dtype());
  rotate(x, y, rows, options.pairs);
  if (!recording({&x})) return y;
  return record(y, {x}, [rows, pairs = options.pairs](const Tensor& dy, Gradients& to) {
    const Tensor dx = empty_by_token(dy.shape(), DType::f32);
    rotate(dy, dx, rows, pairs, true);
    to.add(0, dx);
  });
}

void rotate_in_place(const Tensor& x, const RotaryTable& table, const RotaryOptions& options) {
  const Rows rows(x, table, options);
  check_layout(x);
  if (recording({&x})) refuse("a traced tensor cannot change in its own memory; call rotary()");
  rotate(x, x, rows, options.pairs);
}

}  // namespace heed
