#include "cli/compare_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/lens/board.h"
#include "heed/lens/pooled_map.h"
#include "heed/lens/words.h"
#include "heed/ops/reduce.h"

namespace heed::cli {
namespace {

constexpr int64_t kMostColumns = 64;  // of the map of tokens

std::vector<std::string> names_of(const Look& look) {
  return token_names(look.encoding, look.text, look.second);
}

std::vector<std::string> key_names_of(const Look& look) {
  return look.source ? token_names(look.source->encoding, look.source->text) : names_of(look);
}

/// "sat/lay" of tokens that differ.
std::vector<std::string> both(std::vector<std::string> first,
                              const std::vector<std::string>& second) {
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] != second[i]) first[i] += "/" + second[i];
  }
  return first;
}

/// A long text's map with as many columns as a page has room for: the largest of each run of
/// tokens, called by its first.
HeatMap narrowed(HeatMap map) {
  const int64_t tokens = map.values.size(1);
  if (tokens <= kMostColumns) return map;
  const Tensor all = map.values;
  map.values = Tensor::zeros({all.size(0), kMostColumns});
  std::vector<std::string> labels;
  for (int64_t c = 0; c < kMostColumns; ++c) {
    const int64_t first = c * tokens / kMostColumns, end = (c + 1) * tokens / kMostColumns;
    labels.push_back(fmt::format("{}", first));
    for (int64_t layer = 0; layer < all.size(0); ++layer) {
      float& most = map.values.at({layer, c});
      for (int64_t t = first; t < end; ++t) most = std::max(most, all.at({layer, t}));
    }
  }
  map.column_labels = std::move(labels);
  map.column_axis = "tokens from; the largest of each run";
  return map;
}

HeatMap by_head(const Tensor& apart) {
  std::vector<float> values;
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      values.push_back(mean_of(apart.select(0, layer).select(0, head)));
    }
  }
  return head_board("Each head, mean of its rows", apart.size(0), apart.size(1), values);
}

}  // namespace

float mean_of(const Tensor& row) {
  double sum = 0;
  for (int64_t i = 0; i < row.size(0); ++i) sum += row.at({i});
  return static_cast<float>(sum / static_cast<double>(row.size(0)));
}

HeatMap apart_by_token(const Comparison& compared) {
  const Tensor& apart = compared.apart.rows;
  const bool all = compared.heads.empty();
  HeatMap map;
  map.title = all ? "Each token, mean of the heads" : "Each token";
  map.values = Tensor::zeros({apart.size(0), apart.size(2)});
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      for (int64_t t = 0; t < apart.size(2); ++t) {
        map.values.at({layer, t}) += apart.at({layer, head, t}) / static_cast<float>(apart.size(1));
      }
    }
    map.row_labels.push_back(all ? fmt::format("layer {}", layer) : "apart");
  }
  map.column_labels = both(names_of(compared.a), names_of(compared.b));
  if (all) map.row_axis = "layer";
  map.column_axis = "token";
  return map;
}

Picture comparison_picture(const Comparison& compared, const HeatMap& by_token) {
  Picture picture{
      .title = fmt::format("How far attention parts between two {} (Jensen-Shannon, nats)",
                           compared.what),
      .caption = fmt::format("{}; 1: {}; 2: {}. 0 is the same, {:.3f} shares no token.",
                             compared.same, compared.names[0], compared.names[1], 0.693),
      .maps = {}};
  if (compared.heads.empty()) picture.maps.push_back(by_head(compared.apart.rows));
  picture.maps.push_back(narrowed(by_token));
  return picture;
}

HeatMap difference_map(const Comparison& compared, HeadPlace at) {
  const AttentionMap& pooled = compared.apart.difference[static_cast<size_t>(at.layer)];
  const Tensor sum = pooled.sum.select(0, 0).select(0, at.head);
  HeatMap map;
  map.title = compared.heads.empty() ? fmt::format("L{} H{}: 2's weights - 1's", at.layer, at.head)
                                     : "2's weights - 1's";
  map.values = Tensor::empty({sum.size(0), sum.size(1)});
  float most = 0;
  for (int64_t r = 0; r < sum.size(0); ++r) {
    const auto rows = static_cast<float>(pooled.row_edges.at<int64_t>({r + 1}) -
                                         pooled.row_edges.at<int64_t>({r}));
    for (int64_t c = 0; c < sum.size(1); ++c) {
      map.values.at({r, c}) = sum.at({r, c}) / rows;
      most = std::max(most, std::abs(map.values.at({r, c})));
    }
  }
  map.lowest = -most;
  const Look &a = compared.a, &b = compared.b;
  map.row_labels = both(names_of(a), names_of(b));
  map.column_labels = both(key_names_of(a), key_names_of(b));
  const bool runs = sum.size(0) < a.tokens() || sum.size(1) < a.keys();
  if (runs) {
    map.row_edges = edges_of(pooled.row_edges);
    map.column_edges = edges_of(pooled.key_edges);
    if (sum.size(0) < a.tokens()) map.row_labels = first_tokens(map.row_edges);
    if (sum.size(1) < a.keys()) map.column_labels = first_tokens(map.column_edges);
  }
  map.row_axis = runs ? "looks (query tokens from)" : "looks (query)";
  map.column_axis = runs ? "looked at (key tokens from)" : "looked at (key)";
  return map;
}

NamedTensors comparison_arrays(const Divergence& apart) {
  NamedTensors arrays{{"divergence", apart.rows}};
  if (apart.difference.empty()) return arrays;
  const auto add = [&](const char* name, Tensor AttentionMap::*part) {
    std::vector<Tensor> layers;
    for (const AttentionMap& layer : apart.difference) layers.push_back(layer.*part);
    arrays.emplace_back(name, concatenate(layers, 0));
  };
  add("difference_sum", &AttentionMap::sum);
  add("difference_mean", &AttentionMap::mean);
  add("difference_max", &AttentionMap::max);
  arrays.emplace_back("difference_row_edges", apart.difference[0].row_edges);
  arrays.emplace_back("difference_key_edges", apart.difference[0].key_edges);
  return arrays;
}

}  // namespace heed::cli
