#include "cli/generation_options.h"

#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace heed::cli {

void add_generation_options(CLI::App& command, Context& context, GenerationArguments& arguments) {
  GenerateOptions& options = arguments.options;
  command
      .add_option("--max-new-tokens", options.max_new_tokens,
                  "Write at most N tokens, and no more than the model has positions for.")
      ->type_name("N");
  command
      .add_option("--temperature", options.sampling.temperature,
                  "Draw tokens from softmax(logits / X); 0 takes the likeliest one, always.")
      ->type_name("X");
  command
      .add_option("--top-k", options.sampling.top_k,
                  "Draw from the N likeliest tokens alone; 0 is all.")
      ->type_name("N");
  command
      .add_option("--top-p", options.sampling.top_p,
                  "Draw from the likeliest tokens whose probabilities reach X together.")
      ->type_name("X");
  command
      .add_option("--beams", options.beams,
                  "Follow the N likeliest texts at once and give the best (no temperature).")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1024}));
  command
      .add_option("--length-penalty", options.length_penalty,
                  "A text's score is divided by its length to the power of X: above 0 favours long "
                  "texts.")
      ->type_name("X");
  command
      .add_option("--early-stopping", arguments.early_stopping,
                  "End a beam search as soon as N texts have ended (on), when no growing text "
                  "would be better now (off) or could ever be (never).")
      ->check(CLI::IsMember({"on", "off", "never"}));
  command
      .add_option("--eos-token-id", arguments.end_ids,
                  "End a text with one of these tokens instead of what the checkpoint says.")
      ->delimiter(',')
      ->default_str("")
      ->type_name("IDS");
  add_seed_option(command, context);
}

GenerateOptions generation_options(const Context& context, const GenerationArguments& arguments) {
  GenerateOptions options = arguments.options;
  options.seed = context.seed;
  if (!arguments.end_ids.empty()) options.end_ids = arguments.end_ids;
  if (arguments.early_stopping == "on") options.early_stopping = EarlyStopping::on;
  if (arguments.early_stopping == "never") options.early_stopping = EarlyStopping::never;
  return options;
}

OutJson timing_json(const Generated& generated, double load_ms) {
  return {{"load_ms", load_ms},
          {"prompt_tokens", generated.prompt_ids.size()},
          {"prompt_ms", generated.prompt_ms},
          {"new_tokens", generated.ids.size()},
          {"generate_ms", generated.generate_ms}};
}

}  // namespace heed::cli
