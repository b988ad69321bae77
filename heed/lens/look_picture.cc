#include "heed/lens/look_picture.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/lens/labels.h"
#include "heed/lens/pooled_map.h"

namespace heed {
namespace {

// Words that maps show.
std::vector<int64_t> shown_words(const std::vector<bool>& is_sink, bool sinks, int64_t first = 0) {
  std::vector<int64_t> shown;
  for (auto w = static_cast<size_t>(first); w < is_sink.size(); ++w) {
    if (sinks || !is_sink[w]) shown.push_back(static_cast<int64_t>(w));
  }
  return shown;
}

std::vector<std::string> names(const std::vector<Word>& words, const std::vector<int64_t>& shown) {
  std::vector<std::string> out;
  for (const int64_t w : shown) out.push_back(words[static_cast<size_t>(w)].name);
  return out;
}

std::vector<std::optional<int64_t>> picked(const Pick& pick, int64_t count, const char* what) {
  if (pick.kind == Pick::Kind::mean) return {std::nullopt};
  if (pick.kind == Pick::Kind::all) {
    std::vector<std::optional<int64_t>> all;
    for (int64_t i = 0; i < count; ++i) all.emplace_back(i);
    return all;
  }
  if (pick.index < 0 || pick.index >= count) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: needed a {} from 0 to {}, mean or all, found {}", what,
                            count - 1, pick.index));
  }
  return {pick.index};
}

std::string describe(const std::optional<int64_t>& layer, const std::optional<int64_t>& head) {
  const std::string of_layer = layer ? fmt::format("layer {}", *layer) : "mean of the layers";
  return of_layer + (head ? fmt::format(", head {}", *head) : ", mean of the heads");
}

std::optional<int> narrow(const std::optional<int64_t>& index) {
  return index ? std::optional<int>(static_cast<int>(*index)) : std::nullopt;
}

class Drawing {
 public:
  Drawing(const std::vector<Look>& looks, const LookView& view) : looks_(looks), view_(view) {
    if (looks.empty()) throw Error(ErrorCode::invalid_argument, "look: needed a text, found none");
    layers_ = picked(view.layer, looks[0].layers(), "layer");
    heads_ = picked(view.head, looks[0].heads(), "head");
    small_ = looks.size() * layers_.size() * heads_.size() > 6;
  }

  Picture run() {
    Picture out;
    for (size_t i = 0; i < looks_.size(); ++i) {
      for (const auto& layer : layers_) {
        for (const auto& head : heads_) out.maps.push_back(map(i, layer, head));
      }
    }
    float highest = 0;
    for (const HeatMap& one : out.maps) highest = std::max(highest, value_range(one).highest);
    for (HeatMap& one : out.maps) {
      one.lowest = 0;
      one.highest = highest;
    }
    out.columns = static_cast<int>(heads_.size() > 1 ? heads_.size() : layers_.size());
    if (heads_.size() == 1 && layers_.size() == 1) out.columns = 0;
    out.title = title();
    out.caption = caption();
    return out;
  }

 private:
  HeatMap map(size_t i, const std::optional<int64_t>& layer,
              const std::optional<int64_t>& head) const {
    const Look& look = looks_[i];
    const auto marked = i < view_.marked.size() ? view_.marked[i] : std::nullopt;
    HeatMap out = look.weights ? word_map(look, layer, head, marked)
                               : pooled_map(look, layer, head, view_.sinks, marked);
    out.layer = narrow(layer);
    out.head = narrow(head);
    out.group = look_title(look);
    out.title = map_title(i, layer, head);
    return out;
  }

  HeatMap word_map(const Look& look, const std::optional<int64_t>& layer,
                   const std::optional<int64_t>& head, const std::optional<int64_t>& marked) const {
    const std::vector<int64_t> rows = shown_words(look.sinks(), view_.sinks, view_.first_row);
    const std::vector<int64_t> columns = shown_words(look.key_sinks(), view_.sinks);
    const Tensor all = look.between_words(layer, head);
    HeatMap out;
    out.values = Tensor::empty({std::ssize(rows), std::ssize(columns)});
    for (int64_t r = 0; r < std::ssize(rows); ++r) {
      const int64_t row = rows[static_cast<size_t>(r)];
      for (int64_t c = 0; c < std::ssize(columns); ++c) {
        out.values.at({r, c}) = all.at({row, columns[static_cast<size_t>(c)]});
      }
      if (marked == row) out.marked_rows.push_back(r);
    }
    out.row_labels = names(look.words, rows);
    out.column_labels = names(look.key_words(), columns);
    out.row_axis = "looks (query)";
    out.column_axis = "looked at (key)";
    return out;
  }

  bool one_map_a_text() const { return layers_.size() == 1 && heads_.size() == 1; }

  std::string map_title(size_t i, const std::optional<int64_t>& layer,
                        const std::optional<int64_t>& head) const {
    if (one_map_a_text()) return look_title(looks_[i]);
    std::string out = looks_.size() > 1 ? fmt::format("{}: ", i + 1) : "";
    if (!small_ && heads_.size() == 1 && layer) return out + fmt::format("layer {}", *layer);
    if (!small_) return out + describe(layer, head);
    if (layer) out += fmt::format("L{}", *layer);
    if (layer && head) out += ' ';
    return out + (head ? fmt::format("H{}", *head) : "");
  }

  std::string title() const {
    const std::string what =
        one_map_a_text()      ? describe(layers_[0], heads_[0])
        : layers_.size() == 1 ? (layers_[0] ? fmt::format("layer {}, every head", *layers_[0])
                                            : std::string("every head, mean of the layers"))
        : heads_.size() == 1  ? (heads_[0] ? fmt::format("every layer, head {}", *heads_[0])
                                           : std::string("every layer, mean of the heads"))
                              : std::string("every layer and head");
    return view_.title + ": " + what;
  }

  std::string caption() const {
    std::string out = view_.model.empty() ? "" : view_.model + ". ";
    if (!one_map_a_text()) {
      for (size_t i = 0; i < looks_.size(); ++i) {
        if (looks_.size() > 1) out += fmt::format("{}: ", i + 1);
        out += as_sentence(look_title(looks_[i])) + " ";
      }
    }
    out += "Rows look at columns; layers and heads count from 0.";
    if (std::any_of(looks_.begin(), looks_.end(), [](const Look& l) { return !l.weights; })) {
      out +=
          " Of a long text, a square is what a run of tokens gives to another, the sum over its "
          "columns and the mean over its rows.";
    }
    std::string sinks;
    for (const Look& look : looks_) {
      const std::string here = sink_names(look);
      if (sinks.find(here) == std::string::npos) sinks += (sinks.empty() ? "" : ", ") + here;
    }
    if (!view_.sinks && !sinks.empty()) {
      out += fmt::format(" Left out: {}, where heads rest that have nothing to look at.", sinks);
    }
    return out;
  }

  const std::vector<Look>& looks_;
  const LookView& view_;
  std::vector<std::optional<int64_t>> layers_;
  std::vector<std::optional<int64_t>> heads_;
  bool small_ = false;
};

}  // namespace

std::string look_title(const Look& look) {
  const std::string text = look.source           ? look.source->text + " | " + look.text
                           : look.second.empty() ? look.text
                                                 : look.text + " | " + look.second;
  if (look.weights) return text;
  // a book is no title
  const std::string some = shorten(clean_label(text), 40);
  return look.source ? fmt::format("{} ({} and {} tokens)", some, look.keys(), look.tokens())
                     : fmt::format("{} ({} tokens)", some, look.tokens());
}

Picture look_picture(const std::vector<Look>& looks, const LookView& view) {
  return Drawing(looks, view).run();
}

HeatMap word_by_layer(const Look& look, int64_t word, bool sinks) {
  const std::vector<int64_t> shown = shown_words(look.key_sinks(), sinks);
  HeatMap out;
  out.values = Tensor::empty({look.layers(), static_cast<int64_t>(shown.size())});
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    const std::vector<float> row = look.row(layer, std::nullopt, word);
    for (size_t c = 0; c < shown.size(); ++c) {
      out.values.at({layer, static_cast<int64_t>(c)}) = row[static_cast<size_t>(shown[c])];
    }
    out.row_labels.push_back(fmt::format("layer {}", layer));
  }
  out.column_labels = names(look.key_words(), shown);
  out.lowest = 0;
  return out;
}

std::string sink_names(const Look& look) {
  const std::vector<bool> sinks = look.key_sinks();
  std::vector<std::string> found;
  for (size_t w = 0; w < sinks.size(); ++w) {
    const std::string& name = look.key_words()[w].name;
    if (sinks[w] && std::find(found.begin(), found.end(), name) == found.end()) {
      found.push_back(name);
    }
  }
  return fmt::format("{}", fmt::join(found, " and "));
}

// Of the pieces of one word, mean over them and the heads.
static float sink_share_of(const Look& look, int64_t layer, const Span& pieces) {
  float share = 0;
  for (int64_t head = 0; head < look.heads(); ++head) {
    for (int64_t t = pieces.start; t < pieces.end; ++t) {
      share += look.sink_weight(layer, head, t);
    }
  }
  return share / static_cast<float>(look.heads() * (pieces.end - pieces.start));
}

std::vector<float> sink_share(const Look& look, std::optional<int64_t> word) {
  const std::vector<bool> sinks = look.sinks();
  std::vector<float> shares;
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    float share = 0;
    int rows = 0;
    for (size_t w = 0; w < sinks.size(); ++w) {
      if (word ? static_cast<int64_t>(w) != *word : static_cast<bool>(sinks[w])) continue;
      share += sink_share_of(look, layer, look.words[w].pieces);
      ++rows;
    }
    shares.push_back(rows > 0 ? share / static_cast<float>(rows) : 0);
  }
  return shares;
}

}  // namespace heed
