#include "heed/lens/pooled_map.h"

#include <fmt/format.h>

#include <algorithm>

namespace heed {
namespace {

int64_t bin_of(const std::vector<int64_t>& edges, int64_t token) {
  return std::upper_bound(edges.begin(), edges.end(), token) - edges.begin() - 1;
}

/// Sums of one head's cells, added to `sums`.
void add_head(const Tensor& sums, const Look& look, int64_t layer, int64_t head, bool sinks,
              const HeatMap& map) {
  const AttentionReport& report = look.reports[static_cast<size_t>(layer)];
  const Tensor cells = report.map.sum.select(0, 0).select(0, head);
  for (int64_t r = 0; r < sums.size(0); ++r) {
    for (int64_t c = 0; c < sums.size(1); ++c) sums.at({r, c}) += cells.at({r, c});
  }
  if (sinks) return;
  const auto lists = std::ssize(look.want.lists);
  const int64_t first = look.source ? 0 : lists - std::ssize(look.head_tokens().separators());
  for (int64_t t = 0; t < look.tokens(); ++t) {
    const int64_t row = bin_of(map.row_edges, t);
    if (!look.source) sums.at({row, 0}) -= report.first.at({0, head, t});
    for (int64_t list = first; list < lists; ++list) {  // of one sink each
      const int64_t key = look.want.lists[static_cast<size_t>(list)].keys[0];
      sums.at({row, bin_of(map.column_edges, key)}) -= report.listed.at({0, head, t, list});
    }
  }
}

}  // namespace

std::vector<int64_t> edges_of(const Tensor& edges) {
  const auto all = edges.span<const int64_t>();
  return {all.begin(), all.end()};
}

std::vector<std::string> first_tokens(const std::vector<int64_t>& edges) {
  std::vector<std::string> names;
  for (size_t i = 0; i + 1 < edges.size(); ++i) names.push_back(fmt::format("{}", edges[i]));
  return names;
}

HeatMap pooled_map(const Look& look, std::optional<int64_t> layer, std::optional<int64_t> head,
                   bool sinks, std::optional<int64_t> marked) {
  HeatMap out;
  out.row_edges = edges_of(look.reports[0].map.row_edges);
  out.column_edges = edges_of(look.reports[0].map.key_edges);
  out.row_labels = first_tokens(out.row_edges);
  out.column_labels = first_tokens(out.column_edges);
  out.row_axis = "looks (query tokens from)";
  out.column_axis = "looked at (key tokens from)";
  out.values = Tensor::zeros({std::ssize(out.row_labels), std::ssize(out.column_labels)});
  const int64_t last_layer = layer ? *layer + 1 : look.layers();
  const int64_t last_head = head ? *head + 1 : look.heads();
  float heads = 0;
  for (int64_t l = layer.value_or(0); l < last_layer; ++l) {
    for (int64_t h = head.value_or(0); h < last_head; ++h, ++heads) {
      add_head(out.values, look, l, h, sinks, out);
    }
  }
  for (int64_t r = 0; r < out.values.size(0); ++r) {
    const auto at = static_cast<size_t>(r);
    const float rows = heads * static_cast<float>(out.row_edges[at + 1] - out.row_edges[at]);
    for (int64_t c = 0; c < out.values.size(1); ++c) {
      // taking the sinks off again may leave the rounding of the sum
      out.values.at({r, c}) = std::max(0.0f, out.values.at({r, c})) / rows;
    }
  }
  if (marked) {
    const Span& pieces = look.words[static_cast<size_t>(*marked)].pieces;
    out.marked_rows.push_back(bin_of(out.row_edges, pieces.start));
  }
  return out;
}

}  // namespace heed
