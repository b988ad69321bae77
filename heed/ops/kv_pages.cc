#include "heed/ops/kv_pages.h"

#include <cstring>

#include "heed/base/error.h"
#include "heed/kernels/element.h"
#include "heed/ops/attention_plan.h"
#include "heed/ops/chunks.h"

namespace heed {
namespace {

using kernels::AttentionRows;

void write_row(const float* from, kernels::Element element, int64_t n, std::byte* to) {
  if (element == kernels::Element::f32) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < n; ++i) kernels::store_element(element, from[i], to + 2 * i);
}

/// Row b's tokens [span.begin[b], span.end[b]) of one of k and v.
void write_tokens(const Tensor& into, const Tensor& table, const Tensor& from, int64_t b,
                  const KvSpan& span) {
  const AttentionRows<std::byte> to = attention_rows("pages", into);
  const AttentionRows<std::byte> rows = attention_rows("new keys", from);
  const int64_t page_tokens = into.size(2), size = from.size(3);
  const int32_t* pages = table.data<int32_t>() + b * table.stride(0);
  const auto row = static_cast<size_t>(b);
  for (int64_t s = span.begin[row]; s < span.end[row]; ++s) {
    for (int64_t g = 0; g < from.size(1); ++g) {
      write_row(reinterpret_cast<const float*>(rows.at(b, g, s - span.begin[row])), to.element,
                size, to.at(pages[s / page_tokens], g, s % page_tokens));
    }
  }
}

}  // namespace

void write_pages(const KvPages& pages, const Tensor& k, const Tensor& v, const KvSpan& span) {
  Dims dims("write_pages");
  dims.bind("k", k, "B G T D", DType::f32).bind("v", v, "B G T E", DType::f32);
  dims.bind("pages of k", pages.k, "P G N D").bind("pages of v", pages.v, "P G N E");
  dims.bind("table", pages.table, "B M", DType::i32);
  HEED_ASSERT(static_cast<int64_t>(span.begin.size()) == dims['B'] &&
              static_cast<int64_t>(span.end.size()) == dims['B']);
  const int64_t numbers = dims['G'] * dims['T'] * (dims['D'] + dims['E']);  // of a batch row
  parallel_rows(2 * dims['B'], numbers / 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const bool keys = i % 2 == 0;
      write_tokens(keys ? pages.k : pages.v, pages.table, keys ? k : v, i / 2, span);
    }
  });
}

}  // namespace heed
