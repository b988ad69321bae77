#include "heed/autograd/share.h"

#include <algorithm>
#include <optional>

#include "heed/autograd/loops.h"

namespace heed {
namespace {

/// A view as rows: `count` of `width` neighbours, `apart` elements from one to the next.
struct Rows {
  int64_t offset;
  int64_t width;
  int64_t count;
  int64_t apart;
};

std::optional<Rows> rows_of(const Tensor& whole, const Tensor& view) {
  std::vector<Loop> loops = loops_of(view, view);
  Rows rows{view.data<float>() - whole.data<float>(), 1, 1, whole.numel()};
  if (!loops.empty() && loops.back().target == 1) {
    rows.width = loops.back().size;
    loops.pop_back();
  }
  if (loops.size() > 1) return std::nullopt;
  if (!loops.empty()) {
    rows.count = loops.front().size;
    rows.apart = loops.front().target;
  }
  return rows;
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
