#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "tests/ops/attention_layouts.h"

namespace heed::testing {
namespace {

std::byte* row_at(const Tensor& x, int64_t b, int64_t h, int64_t t) {
  return x.raw_data() + (b * x.stride(0) + h * x.stride(1) + t * x.stride(2)) * size_of(x.dtype());
}

/// to = from, [B, H, T, size], rows contiguous.
void copy_rows(const Tensor& from, const Tensor& to) {
  const auto bytes = static_cast<size_t>(from.size(3) * size_of(from.dtype()));
  for (int64_t b = 0; b < from.size(0); ++b) {
    for (int64_t h = 0; h < from.size(1); ++h) {
      for (int64_t t = 0; t < from.size(2); ++t) {
        std::memcpy(row_at(to, b, h, t), row_at(from, b, h, t), bytes);
      }
    }
  }
}

void shuffle(Dice& dice, auto& values) {
  for (size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[static_cast<size_t>(dice.below(static_cast<int64_t>(i)))]);
  }
}

}  // namespace

Tensor draw_values(Dice& dice, const Shape& shape, DType dtype, float spread) {
  const Tensor wide = Tensor::empty(shape);
  for (float& x : wide.span<float>()) x = spread * dice.normal();
  return wide.to(dtype);
}

Tensor laid_out(Dice& dice, const Tensor& rows, std::string* text) {
  std::vector<int> order{0, 1, 2};
  shuffle(dice, order);
  order.push_back(3);
  const bool room = dice.chance(0.5);
  Shape sizes, first;
  for (const int dim : order) {
    first.push_back(room ? dice.below(3) : 0);
    sizes.push_back(rows.size(dim) + first[first.rank() - 1] + (room ? dice.below(3) : 0));
  }
  Tensor memory = Tensor::full(sizes, std::numeric_limits<float>::quiet_NaN()).to(rows.dtype());
  Shape strides = rows.shape();
  for (int i = 0; i < 4; ++i) {
    const int64_t size = rows.size(order[static_cast<size_t>(i)]);
    memory = memory.slice(i, first[i], first[i] + size);
    int64_t& stride = strides[order[static_cast<size_t>(i)]];
    stride = size == 1 && dice.chance(0.2) ? dice.any<int64_t>({0, 1, 12345}) : memory.stride(i);
  }
  *text += " laid";
  for (const int64_t stride : {strides[0], strides[1], strides[2]}) {
    *text += "," + std::to_string(stride);
  }
  const Tensor result = memory.as_strided(rows.shape(), strides);
  copy_rows(rows, result);
  return result;
}

void lay_side_by_side(Dice& dice, const std::vector<Tensor*>& parts, std::string* text) {
  int64_t heads = 0;
  for (const Tensor* part : parts) heads += part->size(1);
  const Tensor& one = *parts[0];
  const Tensor whole = Tensor::empty({one.size(0), heads, one.size(2), one.size(3)}, one.dtype());
  const auto split = [&](const Tensor& x, const auto& body) {
    int64_t head = 0;
    for (Tensor* part : parts) {
      const int64_t count = part->size(1);
      body(part, x.slice(1, head, head + count));
      head += count;
    }
  };
  split(whole, [](const Tensor* part, const Tensor& place) { copy_rows(*part, place); });
  *text += " side by side";
  split(laid_out(dice, whole, text), [](Tensor* part, const Tensor& place) { *part = place; });
}

Tensor with_prefix(const Tensor& x, int64_t tokens) {
  const Tensor result = x.clone();
  for (int64_t b = 1; b < x.size(0); ++b) {
    copy_rows(x.slice(0, 0, 1).slice(2, 0, tokens), result.slice(0, b, b + 1).slice(2, 0, tokens));
  }
  return result;
}

KvPages in_pages(Dice& dice, const Tensor& k, const Tensor& v, int64_t tokens, int64_t shared,
                 const std::vector<int64_t>& lengths) {
  const int64_t batch = k.size(0), each = k.size(2) / tokens;
  const int64_t count = batch * each + 2;
  std::vector<int32_t> order(static_cast<size_t>(count));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  shuffle(dice, order);
  const int64_t room = dice.chance(0.3) ? 2 : 0;  // of a table's row
  KvPages pages;
  pages.table = Tensor::zeros({batch, each + room}, DType::i32).slice(1, 0, each);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t i = 0; i < each; ++i) {
      pages.table.at<int32_t>({b, i}) = order[static_cast<size_t>((i < shared ? 0 : b) * each + i)];
    }
  }
  const bool by_token = dice.chance(0.4);
  const auto gather = [&](const Tensor& rows) {
    const Tensor all =
        by_token ? draw_values(dice, {count, tokens, k.size(1), rows.size(3)}, rows.dtype(), 1.0F)
                       .transpose(1, 2)
                 : draw_values(dice, {count, k.size(1), tokens, rows.size(3)}, rows.dtype(), 1.0F);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < each; ++i) {
        const int64_t page = pages.table.at<int32_t>({b, i});
        copy_rows(rows.slice(0, b, b + 1).slice(2, i * tokens, (i + 1) * tokens),
                  all.slice(0, page, page + 1));
      }
    }
    return all;
  };
  pages.k = gather(k);
  pages.v = gather(v);
  const bool none = dice.chance(0.5);
  for (int64_t b = 0; none && !lengths.empty() && b < batch; ++b) {
    for (int64_t i = (lengths[static_cast<size_t>(b)] + tokens - 1) / tokens; i < each; ++i) {
      pages.table.at<int32_t>({b, i}) = -1;
    }
  }
  return pages;
}

}  // namespace heed::testing
