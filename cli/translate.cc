// heed translate: what an encoder-decoder makes of a text.

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/progress.h"
#include "cli/texts.h"
#include "heed/base/cancel.h"
#include "heed/io/hub.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  GenerationArguments generation;
};

void run(const Context& context, const Options& options) {
  const std::vector<std::string> texts = read_texts(options.inputs);
  const auto start = std::chrono::steady_clock::now();
  const Translator translator = Translator::load(find_model(context.model));
  const std::chrono::duration<double, std::milli> load = std::chrono::steady_clock::now() - start;
  const GenerateOptions choices = generation_options(
      context, options.generation, translator.defaults(), translator.tokenizer().get());
  ProgressBar bar(context, "translating", "texts");
  for (size_t i = 0; i < texts.size(); ++i) {
    const Generated translated = translator(texts[i], choices);
    check_cancelled();
    clear_progress();
    if (context.json) {
      print_json({{"text", texts[i]},
                  {"output", translated.text},
                  {"score", translated.score},
                  {"ids", translated.ids},
                  {"finish", to_string(translated.finish)},
                  {"timing", timing_json(translated, load.count())}});
    } else {
      print(translated.text + "\n");
    }
    flush_output();
    bar.update(static_cast<int64_t>(i + 1), std::ssize(texts));
  }
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
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  add_generation_options(command, context, options->generation);
}

}  // namespace heed::cli
