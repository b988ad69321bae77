// heed look --show: weights by what they move, and what reaches a word through all layers.

#include <fmt/format.h>

#include <algorithm>

#include "cli/json_out.h"
#include "cli/look_session.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/lens/through.h"

namespace heed::cli {
namespace {

enum class Show { norms, rollout, flow };

struct Shown {
  Show what;
  const char* option;
  const char* title;
};
constexpr Shown kShown[] = {
    {Show::norms, "norms", "How much each word moves to each (|weight x v W_o|)"},
    {Show::rollout, "rollout", "What reaches each word from the input (attention rollout)"},
    {Show::flow, "flow", "What can reach the word from the input (attention flow)"}};

const Shown& shown_of(const std::string& option) {
  return *std::ranges::find_if(kShown, [&](const Shown& one) { return one.option == option; });
}

LookView view_of(const LookTexts& texts, const Shown& shown) {
  const LookArguments& arguments = texts.arguments;
  const EncoderFacts& facts = texts.facts();
  if (shown.what != Show::norms && !arguments.head.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: --show {} is of all heads together, found --head {}",
                            shown.option, arguments.head));
  }
  LookView view{.sinks = arguments.sink, .model = texts.model_name, .title = shown.title};
  if (!arguments.head.empty()) view.head = parse_pick(arguments.head, "--head", facts.heads);
  view.layer = shown_layers(arguments, view.head, facts.layers, Pick::one(facts.layers - 1));
  if (shown.what != Show::norms && view.layer.kind == Pick::Kind::mean) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: --show {} needed --layer 0 to {} or all, found mean",
                            shown.option, facts.layers - 1));
  }
  return view;
}

Look whole_look(const LookTexts& texts, size_t index, const Shown& shown) {
  Look seen = texts.look_at(index, {.only_whole = true, .value_norms = shown.what == Show::norms});
  if (shown.what == Show::norms) return with_norms(std::move(seen));
  return shown.what == Show::rollout ? with_rollout(std::move(seen)) : seen;
}

/// Rows are the layers picked, columns words.
HeatMap flow_map(const Look& look, int64_t word, const LookView& view) {
  const std::vector<bool> sinks = look.sinks();
  std::vector<int64_t> shown;
  HeatMap map{.title = look_title(look) + ": " + look.words[static_cast<size_t>(word)].name};
  for (size_t w = 0; w < sinks.size(); ++w) {
    if (sinks[w] && !view.sinks) continue;
    shown.push_back(static_cast<int64_t>(w));
    map.column_labels.push_back(look.words[w].name);
  }
  const bool all = view.layer.kind == Pick::Kind::all;
  const int64_t first = all ? 0 : view.layer.index, end = all ? look.layers() : first + 1;
  map.values = Tensor::empty({end - first, std::ssize(shown)});
  for (int64_t layer = first; layer < end; ++layer) {
    const std::vector<float> flow = word_flow(look, layer, word);
    for (size_t c = 0; c < shown.size(); ++c) {
      map.values.at({layer - first, static_cast<int64_t>(c)}) = flow[static_cast<size_t>(shown[c])];
    }
    map.row_labels.push_back(fmt::format("layer {}", layer));
  }
  map.row_axis = "after layer";
  map.column_axis = "input";
  map.lowest = 0;
  return map;
}

Picture flow_picture(const std::vector<Look>& looks, const LookView& view) {
  Picture picture{.title = view.title};
  for (size_t i = 0; i < looks.size(); ++i) {
    check_cancelled();
    picture.maps.push_back(flow_map(looks[i], *view.marked[i], view));
  }
  picture.caption = view.model + ". 1 is all that can flow; layers count from 0.";
  return picture;
}

/// What --json of this text prints: the maps of its look, between words.
OutJson maps_json(const Picture& picture, const Look& look, const LookTexts& texts,
                  const Shown& shown, size_t index, size_t looks) {
  OutJson out{{"model", texts.context.model},
              {"text", texts.source_of(index).value_or(look.text)},
              {"show", shown.option}};
  if (texts.source_of(index)) out["output"] = look.text;
  out["maps"] = OutJson::array();
  const size_t each = picture.maps.size() / looks;
  for (size_t i = index * each; i < (index + 1) * each; ++i) {
    const HeatMap& map = picture.maps[i];
    OutJson one;
    if (map.layer) one["layer"] = *map.layer;
    if (map.head) one["head"] = *map.head;
    one["rows"] = map.row_labels;
    one["columns"] = map.column_labels;
    one["values"] = nested_json(map.values);
    out["maps"].push_back(std::move(one));
  }
  return out;
}

}  // namespace

void print_through(const LookTexts& texts) {
  const Shown& shown = shown_of(texts.arguments.show);
  const bool flow = shown.what == Show::flow;
  if (flow && texts.arguments.word.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "look: --show flow needed the word it flows to, found no --word");
  }
  LookView view = view_of(texts, shown);
  std::vector<Look> looks;
  for (size_t i = 0; i < texts.count(); ++i) {
    check_cancelled();
    looks.push_back(whole_look(texts, i, shown));
    if (!texts.arguments.word.empty()) {
      view.marked.emplace_back(find_chosen(texts.arguments.word, looks.back()));
    }
  }
  const Picture picture = flow ? flow_picture(looks, view) : look_picture(looks, view);
  if (texts.context.json) {
    for (size_t i = 0; i < looks.size(); ++i) {
      print_json(maps_json(picture, looks[i], texts, shown, i, looks.size()));
    }
  } else {
    print(draw_terminal(picture, style_for_output(texts.arguments.picture, texts.context)));
  }
  save_if_asked(texts.arguments.picture, picture);
}

}  // namespace heed::cli
