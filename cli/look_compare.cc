// heed look --compare: where heads look to different places in two texts, of one text in two
// models, or two heads of one.

#include <fmt/format.h>

#include <algorithm>

#include "cli/compare_picture.h"
#include "cli/json_out.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/lens/labels.h"

namespace heed::cli {
namespace {

constexpr size_t kShown = 5;
constexpr int64_t kTerminalMap = 48;  // rows and columns of the difference, at most

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "look: " + text);
}

/// A text in a sentence about it, whatever sign it ends with.
std::string quoted(const std::string& text) { return "\"" + text + "\""; }

void expect_texts(const LookTexts& texts, size_t count, const char* option) {
  if (texts.count() == count) return;
  refuse(fmt::format("{} needed {}, found {}", option, count == 1 ? "one text" : "two texts",
                     texts.count()));
}

/// Rows and columns of the difference, which is for files and terminals.
int64_t map_of(const LookTexts& texts) {
  if (!texts.arguments.picture.save.empty()) return kLongMap;
  return texts.context.json ? 0 : kTerminalMap;
}

/// A text with what a comparison needs of it.
Look looked(const LookTexts& texts, size_t index) {
  ProgressBar bar(texts.context, "looking", "blocks");
  return texts.look_at(index, {.runs = true, .progress = bar.callback()});
}

/// diverging() of these, with its bar.
template <class... Of>
Divergence divergence_of(const LookTexts& texts, const Of&... of) {
  ProgressBar bar(texts.context, "comparing", "blocks");
  return diverging(of..., map_of(texts), bar.callback());
}

Comparison of_texts(const LookTexts& texts) {
  expect_texts(texts, 2, "--compare");
  Comparison out{.what = "texts",
                 .same = texts.model_name,
                 .names = {},
                 .a = looked(texts, 0),
                 .b = looked(texts, 1),
                 .heads = {},
                 .apart = {}};
  out.names = {quoted(look_title(out.a)), quoted(look_title(out.b))};
  out.apart = divergence_of(texts, out.a, out.b);
  return out;
}

Comparison of_models(const LookTexts& texts) {
  expect_texts(texts, 1, "--compare --with");
  Context context = texts.context;
  context.model = texts.arguments.with;
  const std::unique_ptr<LookTexts> others = texts.by_model(context);
  Comparison out{.what = "models",
                 .same = {},
                 .names = {texts.model_name, others->model_name},
                 .a = looked(texts, 0),
                 .b = looked(*others, 0),
                 .heads = {},
                 .apart = {}};
  if (out.a.encoding.tokens != out.b.encoding.tokens ||
      out.a.key_encoding().tokens != out.b.key_encoding().tokens) {
    refuse(
        fmt::format("--with needed a model that reads the same tokens, found {} of {} and {} "
                    "others of {}",
                    out.a.tokens(), texts.model_name, out.b.tokens(), others->model_name));
  }
  out.same = quoted(look_title(out.a));
  out.apart = divergence_of(texts, out.a, out.b);
  return out;
}

/// "5.3": layer 5, head 3.
HeadPlace parse_place(const std::string& text, const EncoderFacts& facts) {
  const auto place = parse_head_place(text);
  if (place && place->layer < facts.layers && place->head < facts.heads) return *place;
  refuse(
      fmt::format("--with-head needed LAYER.HEAD with layers from 0 to {} and heads from 0 to "
                  "{}, found {}",
                  facts.layers - 1, facts.heads - 1, in_quotes(text)));
}

Comparison of_heads(const LookTexts& texts) {
  const LookArguments& arguments = texts.arguments;
  expect_texts(texts, 1, "--compare --with-head");
  const auto layer = number_below(arguments.layer, texts.facts().layers);
  const auto head = number_below(arguments.head, texts.facts().heads);
  if (!layer || !head) {
    refuse(
        fmt::format("--with-head needed the other head's number in --layer and --head, found {} "
                    "and {}",
                    in_quotes(arguments.layer), in_quotes(arguments.head)));
  }
  const HeadPlace a{*layer, *head}, b = parse_place(arguments.with_head, texts.facts());
  const auto name = [](HeadPlace at) { return fmt::format("L{} H{}", at.layer, at.head); };
  Comparison out{.what = "heads",
                 .same = {},
                 .names = {name(a), name(b)},
                 .a = looked(texts, 0),
                 .b = {},
                 .heads = {a, b},
                 .apart = {}};
  out.b = out.a;
  out.same = fmt::format("{}: {}", texts.model_name, quoted(look_title(out.a)));
  out.apart = divergence_of(texts, out.a, a, b);
  return out;
}

Comparison compare(const LookTexts& texts) {
  if (!texts.arguments.with.empty()) return of_models(texts);
  return texts.arguments.with_head.empty() ? of_texts(texts) : of_heads(texts);
}

OutJson comparison_json(const LookTexts& texts, const Comparison& compared) {
  const Look &a = compared.a, &b = compared.b;
  const Tensor& apart = compared.apart.rows;
  const bool two = compared.what == "texts";
  OutJson out;
  out["texts"] = {texts.source_of(0).value_or(a.text),
                  texts.source_of(two ? 1 : 0).value_or(b.text)};
  if (texts.source_of(0)) out["outputs"] = {a.text, b.text};
  if (compared.what == "models") out["models"] = {texts.context.model, texts.arguments.with};
  out["tokens"] = {a.encoding.tokens, b.encoding.tokens};
  out["heads"] = OutJson::array();
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      const Tensor rows = apart.select(0, layer).select(0, head).contiguous();
      const auto values = rows.span<const float>();
      OutJson one{{"layer", layer}, {"head", head}};
      if (!compared.heads.empty()) {
        one = {{"layer", compared.heads[0].layer},
               {"head", compared.heads[0].head},
               {"with_layer", compared.heads[1].layer},
               {"with_head", compared.heads[1].head}};
      }
      one["mean"] = mean_of(rows);
      one["rows"] = std::vector<float>(values.begin(), values.end());
      out["heads"].push_back(std::move(one));
    }
  }
  return {{"divergence", std::move(out)}};
}

struct Apart {
  std::string name;
  float value;
  HeadPlace at = {};  // of a head
};

/// Largest first.
std::vector<Apart> sorted(std::vector<Apart> all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Apart& a, const Apart& b) { return a.value > b.value; });
  return all;
}

/// The heads of --layer and --head, or all.
std::vector<Apart> heads_apart(const Tensor& apart, const std::optional<int64_t>& only_layer,
                               const std::optional<int64_t>& only_head) {
  std::vector<Apart> heads;
  for (int64_t layer = 0; layer < apart.size(0); ++layer) {
    for (int64_t head = 0; head < apart.size(1); ++head) {
      if (layer != only_layer.value_or(layer) || head != only_head.value_or(head)) continue;
      heads.push_back({fmt::format("L{} H{}", layer, head),
                       mean_of(apart.select(0, layer).select(0, head)),
                       {layer, head}});
    }
  }
  return sorted(std::move(heads));
}

std::vector<Apart> tokens_apart(const HeatMap& by_token) {
  std::vector<Apart> tokens;
  for (int64_t t = 0; t < by_token.values.size(1); ++t) {
    tokens.push_back({clean_label(by_token.column_labels[static_cast<size_t>(t)]),
                      mean_of(by_token.values.select(1, t))});
  }
  return sorted(std::move(tokens));
}

void print_most(const char* title, const std::vector<Apart>& all, const TerminalStyle& style) {
  std::string line = title;
  for (size_t i = 0; i < std::min(kShown, all.size()); ++i) {
    line += fmt::format("  {} {:.3f}", all[i].name, all[i].value);
  }
  for (const std::string& part : wrap(line, style.width, style.unicode)) print(part + "\n");
}

/// The number that --layer or --head chooses of `count`; none: all of them.
std::optional<int64_t> chosen(const std::string& text, const char* option, int64_t count) {
  if (text.empty() || text == "all") return std::nullopt;
  const auto number = number_below(text, count);
  if (!number) {
    refuse(fmt::format("{} of --compare needed 0 to {} or all, found {}", option, count - 1,
                       in_quotes(text)));
  }
  return number;
}

}  // namespace

void print_comparison(const LookTexts& texts) {
  const LookArguments& arguments = texts.arguments;
  const auto layer = chosen(arguments.layer, "--layer", texts.facts().layers);
  const auto head = chosen(arguments.head, "--head", texts.facts().heads);
  const Comparison compared = compare(texts);
  const bool heads = !compared.heads.empty();
  const std::vector<Apart> most = heads ? heads_apart(compared.apart.rows, {}, {})
                                        : heads_apart(compared.apart.rows, layer, head);
  const HeatMap by_token = apart_by_token(compared);
  Picture picture = comparison_picture(compared, by_token);
  if (!compared.apart.difference.empty()) {
    picture.maps.push_back(difference_map(compared, most[0].at));
    picture.caption += " Above 0 (red) 2 gives more, below 0 (blue) 1 does.";
  }
  if (texts.context.json) {
    print_json(comparison_json(texts, compared));
  } else {
    const TerminalStyle style = style_for_output(arguments.picture, texts.context);
    print(draw_terminal(picture, style));
    print("\n");
    if (heads) {
      print(fmt::format("Mean of the tokens: {:.3f}\n", most[0].value));
    } else {
      print_most("Heads that part most:", most, style);
    }
    print_most("Tokens that look elsewhere:", tokens_apart(by_token), style);
  }
  if (arguments.picture.save.empty()) return;
  save_if_asked(arguments.picture, picture, comparison_arrays(compared.apart));
}

}  // namespace heed::cli
