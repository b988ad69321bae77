// heed look --compare: where heads look to different places in two texts.

#include <fmt/format.h>

#include <algorithm>

#include "cli/json_out.h"
#include "cli/look_session.h"
#include "heed/base/error.h"
#include "heed/lens/board.h"
#include "heed/lens/diverge.h"
#include "heed/lens/labels.h"

namespace heed::cli {
namespace {

constexpr size_t kShown = 5;
constexpr int64_t kMostColumns = 64;  // of the map of tokens

float mean(const Tensor& row) {
  double sum = 0;
  for (int64_t i = 0; i < row.size(0); ++i) sum += row.at({i});
  return static_cast<float>(sum / static_cast<double>(row.size(0)));
}

struct Apart {
  std::string name;
  float value;
};

std::vector<Apart> most(std::vector<Apart> all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Apart& a, const Apart& b) { return a.value > b.value; });
  if (all.size() > kShown) all.resize(kShown);
  return all;
}

std::string token_name(const Look& a, const Look& b, int64_t token) {
  const std::string& first = a.encoding.tokens[static_cast<size_t>(token)];
  const std::string& second = b.encoding.tokens[static_cast<size_t>(token)];
  return first == second ? first : first + "/" + second;
}

/// Rows are layers, columns tokens: mean over the heads.
HeatMap by_token(const Look& a, const Look& b, const Tensor& apart) {
  HeatMap map;
  map.title = "Where each token looks, mean of the heads";
  map.values = Tensor::zeros({apart.size(0), apart.size(2)});
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      for (int64_t t = 0; t < apart.size(2); ++t) {
        map.values.at({layer, t}) += apart.at({layer, head, t}) / static_cast<float>(apart.size(1));
      }
    }
    map.row_labels.push_back(fmt::format("layer {}", layer));
  }
  for (int64_t t = 0; t < apart.size(2); ++t) map.column_labels.push_back(token_name(a, b, t));
  map.row_axis = "layer";
  map.column_axis = "token";
  return map;
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
  map.column_axis = "tokens from";
  map.title += ", the largest of each run of tokens";
  return map;
}

HeatMap by_head(const Tensor& apart) {
  std::vector<float> values;
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      values.push_back(mean(apart.select(0, layer).select(0, head)));
    }
  }
  return head_board("Each head, mean of its rows", apart.size(0), apart.size(1), values);
}

OutJson comparison_json(const LookTexts& texts, const Look& a, const Look& b, const Tensor& apart) {
  OutJson out;
  out["texts"] = {texts.source_of(0).value_or(a.text), texts.source_of(1).value_or(b.text)};
  if (texts.source_of(0)) out["outputs"] = {a.text, b.text};
  out["tokens"] = {a.encoding.tokens, b.encoding.tokens};
  out["heads"] = OutJson::array();
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      const Tensor rows = apart.select(0, layer).select(0, head).contiguous();
      const auto values = rows.span<const float>();
      out["heads"].push_back({{"layer", layer},
                              {"head", head},
                              {"mean", mean(rows)},
                              {"rows", std::vector<float>(values.begin(), values.end())}});
    }
  }
  return {{"divergence", std::move(out)}};
}

void print_most(const char* title, const std::vector<Apart>& all, const TerminalStyle& style) {
  std::string line = title;
  for (const Apart& one : all) line += fmt::format("  {} {:.3f}", one.name, one.value);
  for (const std::string& part : wrap(line, style.width, display_width)) print(part + "\n");
}

}  // namespace

void print_comparison(const LookTexts& texts) {
  if (texts.count() != 2) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: --compare needed two texts, found {}", texts.count()));
  }
  const Look a = texts.look_at(0, {.runs = true});
  const Look b = texts.look_at(1, {.runs = true});
  const Tensor apart = diverging(a, b);
  const HeatMap rows = by_token(a, b, apart);
  Picture picture{.title = "How far attention parts between two texts (Jensen-Shannon, nats)",
                  .caption = fmt::format("{}. 1: {} 2: {} 0 is the same, {:.3f} shares no token.",
                                         texts.model_name, look_title(a), look_title(b), 0.693),
                  .maps = {by_head(apart), narrowed(rows)}};
  if (texts.context.json) {
    print_json(comparison_json(texts, a, b, apart));
  } else {
    const TerminalStyle style = style_for_output(texts.arguments.picture, texts.context);
    std::vector<Apart> heads, tokens;
    const HeatMap& board = picture.maps[0];
    for (int64_t layer = 0; layer < apart.size(0); ++layer) {
      for (int64_t head = 0; head < apart.size(1); ++head) {
        heads.push_back({fmt::format("L{} H{}", layer, head), board.values.at({layer, head})});
      }
    }
    for (int64_t t = 0; t < apart.size(2); ++t) {
      tokens.push_back({clean_label(rows.column_labels[static_cast<size_t>(t)]),
                        mean(rows.values.select(1, t))});
    }
    print(draw_terminal(picture, style));
    print("\n");
    print_most("Heads that part most:", most(std::move(heads)), style);
    print_most("Tokens that look elsewhere:", most(std::move(tokens)), style);
  }
  save_if_asked(texts.arguments.picture, picture);
}

}  // namespace heed::cli
