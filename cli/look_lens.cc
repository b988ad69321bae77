// heed look --lens: what each layer of a language model would say.

#include <fmt/format.h>

#include "cli/json_out.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/lens/labels.h"
#include "heed/lens/logit_lens.h"

namespace heed::cli {
namespace {

constexpr int64_t kSaid = 5;  // tokens of a place that --json tells of

OutJson said_json(const LogitLens& lens, const Tokenizer& tokenizer, int64_t row, int64_t token) {
  OutJson said = OutJson::array();
  for (int64_t i = 0; i < lens.said.size(2); ++i) {
    const int32_t id = lens.said.at<int32_t>({row, token, i});
    said.push_back({{"id", id},
                    {"token", tokenizer.decode(std::vector<int32_t>{id}, false)},
                    {"p", lens.probabilities.at({row, token, i})}});
  }
  return said;
}

OutJson lens_json(const LogitLens& lens, const Tokenizer& tokenizer, const std::string& model,
                  const std::string& text) {
  OutJson out{{"model", model}, {"text", text}, {"ids", lens.ids}};
  out["tokens"] = OutJson::array();
  for (const int32_t id : lens.ids) {
    out["tokens"].push_back(tokenizer.decode(std::vector<int32_t>{id}, false));
  }
  out["layers"] = OutJson::array();
  for (int64_t row = 0; row < lens.rows(); ++row) {
    OutJson layer{{"after", row == 0 ? OutJson("embeddings") : OutJson(row - 1)}};
    layer["said"] = OutJson::array();
    for (int64_t token = 0; token < std::ssize(lens.ids); ++token) {
      layer["said"].push_back(said_json(lens, tokenizer, row, token));
    }
    layer["next"] = nested_json(lens.next.select(0, row));
    out["layers"].push_back(std::move(layer));
  }
  return out;
}

void check(const LookTexts& texts) {
  if (texts.count() > 1 && !texts.arguments.picture.save.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: --lens saves the picture of one text, found {}", texts.count()));
  }
}

// The last token of the word that --word chooses.
std::optional<int64_t> chosen_token(const LookTexts& texts, const Look& read) {
  if (texts.arguments.word.empty()) return std::nullopt;
  const int64_t word = find_chosen(texts.arguments.word, read);
  return read.words[static_cast<size_t>(word)].pieces.end - 1;
}

}  // namespace

void print_lens(const LookTexts& texts) {
  check(texts);
  const LookArguments& arguments = texts.arguments;
  const Tokenizer& tokenizer = *texts.tokenizer;
  for (size_t i = 0; i < texts.count(); ++i) {
    const Look read = texts.read(i);
    const std::optional<int64_t> after = chosen_token(texts, read);
    ProgressBar bar(texts.context, "looking", "layers");
    const LogitLens lens =
        texts.lens(read, texts.context.json || after ? kSaid : 1, bar.callback());
    clear_progress();
    TokenTable table =
        after ? lens_table_after(lens, tokenizer, *after) : lens_table(lens, tokenizer);
    const auto source = texts.source_of(i);
    const std::string shown =
        shorten(clean_label(source ? *source + " | " + read.text : read.text), 60);
    table.title = after ? fmt::format("What each layer would say after {}: {}",
                                      clean_label(arguments.word), shown)
                        : "What each layer would say next: " + shown;
    table.caption = texts.model_name +
                    ": the final norm and the output matrix on the state after each layer; the "
                    "colour is the probability. Layers count from 0.";
    if (texts.context.json) {
      OutJson out = lens_json(lens, tokenizer, texts.context.model, source.value_or(read.text));
      if (source) out["output"] = read.text;
      print_json(out);
    } else {
      print(draw_terminal(table, style_for_output(arguments.picture, texts.context)));
    }
    if (arguments.picture.save.empty()) continue;
    save_token_table(table, arguments.picture.save, arguments.picture.file_theme());
    log(LogLevel::info, "wrote " + arguments.picture.save);
  }
}

}  // namespace heed::cli
