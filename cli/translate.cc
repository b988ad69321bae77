// heed translate: what an encoder-decoder makes of a text.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/language_options.h"
#include "cli/progress.h"
#include "cli/text_to_text.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/stopwatch.h"
#include "heed/generate/languages.h"
#include "heed/io/hub.h"

namespace heed::cli {
namespace {

/// The sources of a batch's texts up to the first that the model cannot read, and what is wrong
/// with that: those before it are translated first.
struct Readable {
  std::vector<std::vector<int32_t>> sources;
  std::exception_ptr fault;
};

Readable readable_of(const Translator& translator, const std::string& prefix,
                     std::span<const std::string> texts, int64_t before) {
  Readable readable;
  try {
    for (const std::string& text : texts) {
      std::vector<int32_t> ids = translator.encode(prefix + text);
      const int64_t number = before + std::ssize(readable.sources) + 1;
      translator.check_source(ids, "translate: text " + std::to_string(number));
      readable.sources.push_back(std::move(ids));
    }
  } catch (const Error&) {
    readable.fault = std::current_exception();
  }
  return readable;
}

struct Options {
  TextToTextArguments shared;
  LanguageArguments languages;
};

/// Where the target's language is what an output begins with, no other token can be.
void check_beginning(const Options& options, const Translator& translator) {
  const auto& first = options.shared.generation.forced_bos_token_id;
  const std::string& language = options.languages.target;
  if (!first || language.empty() || !language_leads(*translator.tokenizer())) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("translate: this model's outputs begin with one token, found two: "
                          "--tgt-lang {} and --forced-bos-token-id {}; leave one out",
                          language, *first));
}

void run(const Context& context, const Options& options) {
  const TextToTextArguments& arguments = options.shared;
  TextSource source(arguments.inputs);
  const Stopwatch loading;
  const Translator translator = in_languages(
      Translator::load(find_model(context.model), load_options(arguments.load)), options.languages);
  const double load_ms = loading.milliseconds();
  check_beginning(options, translator);
  const GenerateOptions choices = text_to_text_options(context, arguments, translator);
  const std::string prefix = arguments.prefix.value_or(translator.prefix());
  Aligner aligner(context, arguments.align, translator);
  const auto show = [&](const std::string& text, const Generated& translated) {
    AlignedText aligned;
    aligner.add(aligned, prefix, text, translated, {}, {});
    clear_progress();
    if (context.json) {
      OutJson out = text_to_text_json(text, translated, load_ms);
      if (aligner.asked()) out["alignment"] = std::move(aligned.links);
      print_json(out);
    } else {
      print(translated.text + "\n" + aligned.lines);
    }
  };
  int64_t before = 0;
  in_turn(context, "translating", source, context.batch,
          [&](std::span<const std::string> texts, const Progress&) {
            const Readable readable = readable_of(translator, prefix, texts, before);
            before += std::ssize(texts);
            if (!readable.sources.empty()) {
              const auto translated = translator.batch(readable.sources, choices);
              check_cancelled();
              for (size_t i = 0; i < translated.size(); ++i) show(texts[i], translated[i]);
            }
            if (!readable.fault) return;
            flush_output();
            std::rethrow_exception(readable.fault);
          });
  aligner.save();
}

}  // namespace

void add_translate(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "translate",
       .summary = "Translate texts with an encoder-decoder.",
       .details = "Prints a line for each text, a sentence as a rule. score is the sum of the "
                  "tokens' log-probabilities over their number to the power of --length-penalty.",
       .example = "heed translate \"A small house.\" --model out/english-german"},
      [&context, options] { run(context, *options); });
  add_text_to_text_options(command, context, options->shared, GenerateOptions().max_new_tokens);
  add_language_options(command, options->languages);
}

}  // namespace heed::cli
