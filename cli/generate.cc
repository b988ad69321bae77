// heed generate: what a language model writes after a prompt.

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/id_rows.h"
#include "cli/texts.h"
#include "heed/base/error.h"
#include "heed/io/hub.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string ids;
  GenerationArguments generation;
};

/// A text, or the ids of one.
struct Prompt {
  std::string text;
  std::vector<int32_t> ids;
  bool is_text = true;
};

std::vector<Prompt> read_prompts(const Options& options) {
  std::vector<Prompt> prompts;
  if (options.ids.empty()) {
    for (std::string& text : read_texts(options.inputs)) prompts.push_back({std::move(text), {}});
    return prompts;
  }
  if (!options.inputs.texts.empty() || !options.inputs.file.empty()) {
    throw Error(ErrorCode::invalid_argument, "give texts or --ids, not both");
  }
  for (auto& row : read_id_rows(options.ids)) prompts.push_back({"", std::move(row), false});
  return prompts;
}

void run(const Context& context, const Options& options) {
  const std::vector<Prompt> prompts = read_prompts(options);
  const auto start = std::chrono::steady_clock::now();
  const TextGenerator generator = TextGenerator::load(find_model(context.model));
  const std::chrono::duration<double, std::milli> load = std::chrono::steady_clock::now() - start;
  GenerateOptions choices = generation_options(context, options.generation);
  if (!context.json) {
    choices.on_text = [](std::string_view text) {
      print(text);
      flush_output();
    };
  }
  for (const Prompt& prompt : prompts) {
    const Generated generated =
        prompt.is_text ? generator(prompt.text, choices) : generator(prompt.ids, choices);
    if (!context.json) {
      print("\n");
      continue;
    }
    OutJson out = {{"prompt", prompt.is_text ? OutJson(prompt.text) : OutJson(nullptr)},
                   {"prompt_ids", generated.prompt_ids},
                   {"ids", generated.ids},
                   {"text", generated.text},
                   {"finish", to_string(generated.finish)},
                   {"score", generated.score},
                   {"timing", timing_json(generated, load.count())}};
    print_json(out);
  }
}

}  // namespace

void add_generate(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "generate",
       .summary = "Write on from a text with a language model.",
       .details = "Prints what follows each prompt as it is written. The same seed writes the same "
                  "text, whatever the number of threads. Prompt and new tokens together have the "
                  "model's positions to stand at; a text ends there.",
       .example = "heed generate \"To be, or not\" --model out/shakespeare --temperature 0.8 "
                  "--top-k 40 --seed 1"},
      [&context, options] { run(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  command
      .add_option("--ids", options->ids,
                  "Read token ids from F, a JSON list of lists, instead of texts.")
      ->type_name("F.json");
  add_generation_options(command, context, options->generation);
}

}  // namespace heed::cli
