#include "heed/autograd/share.h"

#include <algorithm>
#include <optional>

namespace heed {
namespace {

/// A view as rows: `count` of `width` neighbours, `apart` elements from one to the next.
struct Rows {
  int64_t offset;
  int64_t width;
  int64_t count;
  int64_t apart;
};

struct Loop {
  int64_t stride;
  int64_t size;
};

std::optional<Rows> rows_of(const Tensor& whole, const Tensor& view) {
  std::vector<Loop> loops;
  for (int dim = 0; dim < view.rank(); ++dim) {
    if (view.size(dim) != 1) loops.push_back({view.stride(dim), view.size(dim)});
  }
  std::ranges::sort(loops, {}, &Loop::stride);
  auto loop = loops.begin();
  Rows rows{view.data<float>() - whole.data<float>(), 1, 1, whole.numel()};
  for (; loop != loops.end() && loop->stride == rows.width; ++loop) rows.width *= loop->size;
  if (loop != loops.end()) rows.apart = loop->stride;
  for (; loop != loops.end() && loop->stride == rows.apart * rows.count; ++loop) {
    rows.count *= loop->size;
  }
  return loop == loops.end() ? std::optional(rows) : std::nullopt;
}

}  // namespace

bool shares_out(const Tensor& whole, const std::vector<Tensor>& parts) {
  std::vector<Rows> all;
  for (const Tensor& part : parts) {
    const std::optional<Rows> rows = rows_of(whole, part);
    if (!rows || rows->count * rows->apart != whole.numel() || whole.numel() == 0) return false;
    all.push_back(*rows);
  }
  std::ranges::sort(all, {}, &Rows::offset);
  int64_t next = 0;  // element of a row
  for (const Rows& rows : all) {
    if (rows.offset != next || rows.apart != all.front().apart) return false;
    next += rows.width;
  }
  return !all.empty() && next == all.front().apart;
}

}  // namespace heed
