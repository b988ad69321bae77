// heed look --show lens: what each layer of a language model would say.

#include <fmt/format.h>

#include "cli/json_out.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
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

std::shared_ptr<const CausalModel> language_model(const LookSession& session) {
  if (auto model = std::dynamic_pointer_cast<const CausalModel>(session.model)) return model;
  throw Error(ErrorCode::unsupported,
              fmt::format("look: --lens reads what layers would say next, and {} is no causal "
                          "language model",
                          session.model_name));
}

void check(const LookSession& session) {
  const LookArguments& arguments = session.arguments;
  if (arguments.pair || !arguments.head.empty() || !arguments.layer.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "look: --lens is of every layer of one text, and takes no --pair, --layer or "
                "--head");
  }
  if (session.texts.size() > 1 && !arguments.picture.save.empty()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("look: --lens saves the picture of one text, found {}", session.texts.size()));
  }
}

// The last token of the word that --word chooses.
std::optional<int64_t> chosen_token(const LookSession& session, const Look& read) {
  if (session.arguments.word.empty()) return std::nullopt;
  return read.words[static_cast<size_t>(session.chosen_word(read))].pieces.end - 1;
}

}  // namespace

void print_lens(const LookSession& session) {
  check(session);
  const LookArguments& arguments = session.arguments;
  const auto model = language_model(session);
  for (const std::string& text : session.texts) {
    const Look read = session.read(text);
    const std::optional<int64_t> after = chosen_token(session, read);
    ProgressBar bar(session.context, "looking", "layers");
    const LogitLens lens = logit_lens(*model, read.encoding.ids,
                                      session.context.json || after ? kSaid : 1, bar.callback());
    clear_progress();
    TokenTable table = after ? lens_table_after(lens, *session.tokenizer, *after)
                             : lens_table(lens, *session.tokenizer);
    const std::string shown = shorten(clean_label(text), 60);
    table.title = after ? fmt::format("What each layer would say after {}: {}",
                                      clean_label(arguments.word), shown)
                        : "What each layer would say next: " + shown;
    table.caption = session.model_name +
                    ": the final norm and the output matrix on the state after each layer; the "
                    "colour is the probability. Layers count from 0.";
    if (session.context.json) {
      print_json(lens_json(lens, *session.tokenizer, session.context.model, text));
    } else {
      print(draw_terminal(table, style_for_output(arguments.picture, session.context)));
    }
    if (arguments.picture.save.empty()) continue;
    save_token_table(table, arguments.picture.save, arguments.picture.file_theme());
    log(LogLevel::info, "wrote " + arguments.picture.save);
  }
}

}  // namespace heed::cli
