#include "cli/text_to_text.h"

#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace heed::cli {

void add_text_to_text_options(CLI::App& command, Context& context, TextToTextArguments& arguments) {
  add_text_inputs(command, arguments.inputs);
  add_model_option(command, context);
  add_load_options(command, arguments.load);
  command
      .add_option(
          "--prefix", arguments.prefix,
          "Put TEXT before each text, for models that are told their task so (default: what "
          "config.json says).")
      ->type_name("TEXT")
      ->default_str("");
  add_align_options(command, arguments.align);
  add_generation_options(command, context, arguments.generation);
  add_batch_option(command, context);
}

OutJson text_to_text_json(const std::string& text, const Generated& made, double load_ms) {
  return {{"text", text},
          {"output", made.text},
          {"score", made.score},
          {"ids", made.ids},
          {"finish", to_string(made.finish)},
          {"timing", timing_json(made, load_ms)}};
}

}  // namespace heed::cli
