// heed tokens: how a model's tokenizer cuts a text, and the way back.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/text_source.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"
#include "heed/text/tokenizer.h"
#include "heed/text/unicode.h"

namespace heed::cli {
namespace {

struct TokensOptions {
  TextInputs inputs;
  bool pair = false;
  std::vector<int32_t> decode;
};

/// What the tokenizer read: JSON and terminals want UTF-8.
std::string readable(const std::string& text) { return to_utf8(decode_utf8(text).chars); }

OutJson spans(const std::vector<Span>& values) {
  OutJson out = OutJson::array();
  for (const Span& span : values) out.push_back(OutJson::array({span.start, span.end}));
  return out;
}

OutJson to_json(const std::vector<std::string>& texts, const Encoding& encoding) {
  OutJson out;
  if (texts.size() == 1) {
    out["text"] = readable(texts[0]);
  } else {
    out["text"] = OutJson::array({readable(texts[0]), readable(texts[1])});
  }
  out["ids"] = encoding.ids;
  out["tokens"] = encoding.tokens;
  out["offsets"] = spans(encoding.offsets);
  out["byte_offsets"] = spans(encoding.byte_offsets);
  out["words"] = encoding.words;
  out["type_ids"] = encoding.type_ids;
  out["special"] = encoding.special;
  return out;
}

void print_table(const std::vector<std::string>& texts, const Encoding& encoding) {
  const auto range = [](const Span& span) { return fmt::format("{}-{}", span.start, span.end); };
  int width = 5;
  for (const std::string& token : encoding.tokens) {
    width = std::max(width, display_width(printable(token)));
  }
  std::string out;
  for (const std::string& text : texts) out += in_quotes(readable(text)) + "\n";
  out += fmt::format("  {:<{}}  {:>7}  {:>11}  {:>11}{}\n", "piece", width, "id", "characters",
                     "bytes", texts.size() > 1 ? "  text" : "");
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    out += fmt::format("  {}  {:>7}", pad_right(printable(encoding.tokens[i]), width, true),
                       encoding.ids[i]);
    if (!encoding.special[i]) {
      out += fmt::format("  {:>11}  {:>11}", range(encoding.offsets[i]),
                         range(encoding.byte_offsets[i]));
      if (texts.size() > 1) out += fmt::format("  {:>4}", encoding.type_ids[i] + 1);
    }
    out += '\n';
  }
  print(out);
}

void print_decoded(const Tokenizer& tokenizer, const TokensOptions& options, bool json) {
  for (const int32_t id : options.decode) tokenizer.token_of(id);  // a slip is told, not left out
  const std::string text = tokenizer.decode(options.decode);
  if (!json) return print(text + "\n");
  OutJson out;
  out["ids"] = options.decode;
  out["text"] = text;
  print_json(out);
}

[[noreturn]] void refuse_odd(int64_t texts) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("--pair takes texts two by two, but there are {}", texts));
}

void run(const Context& context, const TokensOptions& options) {
  const auto tokenizer = Tokenizer::load(find_model(context.model));
  if (!options.decode.empty()) return print_decoded(*tokenizer, options, context.json);
  TextSource source(options.inputs);
  const size_t step = options.pair ? 2 : 1;
  if (options.pair && source.total() % 2 != 0) refuse_odd(source.total());
  std::vector<std::string> row;  // texts of one input
  int64_t count = 0;
  in_parts(context, "reading", source, [&](std::span<const std::string> texts, const Progress&) {
    clear_progress();
    for (const std::string& text : texts) {
      check_cancelled();
      ++count;
      row.push_back(text);
      if (row.size() < step) continue;
      const Encoding encoding =
          options.pair ? tokenizer->encode_pair(row[0], row[1]) : tokenizer->encode(row[0]);
      if (context.json) {
        print_json(to_json(row, encoding));
      } else {
        print_table(row, encoding);
      }
      row.clear();
    }
  });
  if (!row.empty()) refuse_odd(count);
}

}  // namespace

void add_tokens(CLI::App& root, Context& context) {
  const auto options = std::make_shared<TokensOptions>();
  CLI::App& command = add_command(
      root, context,
      {.name = "tokens",
       .summary = "Show the pieces a model reads a text as, their ids and where they stand.",
       .details = "Offsets count from 0 and leave the end out, in characters and in bytes of the "
                  "UTF-8 text; special tokens, which stand nowhere, have none.",
       .example = "heed tokens \"Attention is all you need.\""},
      [&context, options] { run(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  command.add_flag("--pair", options->pair, "Take the texts two by two, each pair as one input.");
  command
      .add_option("--decode", options->decode,
                  "Give the text of these ids instead; special tokens are left out.")
      ->delimiter(',')
      ->default_str("")
      ->type_name("IDS");
}

}  // namespace heed::cli
