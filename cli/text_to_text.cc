#include "cli/text_to_text.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "heed/base/log.h"

namespace heed::cli {

void add_text_to_text_options(CLI::App& command, Context& context, TextToTextArguments& arguments,
                              int64_t new_tokens) {
  add_text_inputs(command, arguments.inputs);
  add_model_option(command, context, "An encoder-decoder");
  add_load_options(command, arguments.load);
  command
      .add_option(
          "--prefix", arguments.prefix,
          "Put TEXT before each text, for models that are told their task so (default: what "
          "config.json says).")
      ->type_name("TEXT")
      ->default_str("");
  command
      .add_option("--target-prefix", arguments.target_prefix,
                  "Let each output begin with TEXT, and write on from there.")
      ->type_name("TEXT")
      ->default_str("");
  add_align_options(command, arguments.align);
  add_generation_options(command, context, arguments.generation, new_tokens);
  add_batch_option(command, context);
}

GenerateOptions text_to_text_options(const Context& context, const TextToTextArguments& arguments,
                                     const Translator& translator) {
  GenerateOptions choices = generation_options(context, arguments.generation, translator.defaults(),
                                               translator.tokenizer().get());
  if (choices.samples > 1) {
    log(LogLevel::warning,
        fmt::format("the checkpoint's num_return_sequences is {}, but a text gives one here; heed "
                    "generate gives them all",
                    choices.samples));
    choices.samples = 1;
  }
  if (!arguments.target_prefix.empty()) {
    choices.target_prefix = translator.encode_target_prefix(arguments.target_prefix);
  }
  return choices;
}

OutJson text_to_text_json(const std::string& text, const Generated& made, double load_ms) {
  OutJson out{{"text", text}, {"output", made.text}, {"score", made.score}};
  if (!made.prefix_ids.empty()) out["prefix_ids"] = made.prefix_ids;
  out["ids"] = made.ids;
  out["finish"] = to_string(made.finish);
  out["timing"] = timing_json(made, load_ms);
  return out;
}

}  // namespace heed::cli
