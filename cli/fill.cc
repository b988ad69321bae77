// heed fill: the words that a masked language model puts in the places of its mask.

#include "heed/tasks/fill.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/results_file.h"
#include "cli/text_source.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  int64_t top = 5;
  std::vector<std::string> targets;
  std::string save;
};

OutJson as_json(const Filling& filling) {
  return {{"score", filling.score},
          {"token", filling.token},
          {"token_str", filling.token_text},
          {"sequence", filling.sequence}};
}

OutJson as_json(const std::vector<Filling>& fillings) {
  OutJson all = OutJson::array();
  for (const Filling& filling : fillings) all.push_back(as_json(filling));
  return all;
}

using Masks = std::vector<std::vector<Filling>>;

/// "fillings" is what the pipeline gives: a list, or of several masks a list each.
OutJson as_json(const std::string& text, const Masks& masks) {
  OutJson fillings = as_json(masks[0]);
  if (masks.size() > 1) {
    fillings = OutJson::array();
    for (const auto& mask : masks) fillings.push_back(as_json(mask));
  }
  return {{"text", text}, {"fillings", std::move(fillings)}};
}

std::vector<OutJson> rows_of(const std::string& text, const Masks& masks) {
  std::vector<OutJson> rows;
  for (size_t mask = 0; mask < masks.size(); ++mask) {
    for (const Filling& filling : masks[mask]) {
      OutJson row = {{"text", text}, {"mask", static_cast<int64_t>(mask)}};
      row.update(as_json(filling));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

void print_fillings(const std::string& text, const Masks& masks) {
  print(printable(text) + "\n");
  for (size_t mask = 0; mask < masks.size(); ++mask) {
    if (masks.size() > 1) print(fmt::format("  mask {}\n", mask + 1));
    for (const Filling& filling : masks[mask]) {
      print(fmt::format("  {:.4f}  {:<16}  {}\n", filling.score, printable(filling.token_text),
                        printable(filling.sequence)));
    }
  }
}

void fill(const Context& context, const Options& options) {
  ResultsFile file(options.save, {"text", "mask", "score", "token", "token_str", "sequence"});
  TextSource source(options.inputs);
  const MaskFiller filler = MaskFiller::load(context.model);
  RunNotes notes;
  FillOptions how{
      .top_k = options.top, .targets = options.targets, .batch = context.batch, .notes = &notes};
  in_parts(context, "filling", source,
           [&](std::span<const std::string> part, const Progress& progress) {
             how.progress = progress;
             const auto results = filler(part, how);
             clear_progress();
             for (size_t i = 0; i < part.size(); ++i) {
               const OutJson line = as_json(part[i], results[i]);
               file.add(line, rows_of(part[i], results[i]));
               if (context.json) {
                 print_json(line);
               } else if (!file.open()) {
                 print_fillings(part[i], results[i]);
               }
             }
           });
  notes.finish("fill");
  file.commit();
}

}  // namespace

void add_fill(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "fill",
       .summary = "Print the words that a masked language model puts in the place of its mask.",
       .details =
           "A text has the mask as the model's tokenizer writes it, [MASK] or <mask>, once or "
           "several times; each place is filled by itself. The model is one that heed train mlm "
           "made, or another checkpoint of the kind that transformers calls ForMaskedLM.",
       .example = "heed fill \"The capital of France is [MASK].\" --model bert-base-uncased"},
      [&context, options] { fill(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context, "A masked language model");
  add_batch_option(command, context);
  command.add_option("--top-k", options->top, "Print the N likeliest words of each mask.")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number(1, uint64_t{1} << 20));
  add_list_option(command, "--targets", options->targets,
                  "Rank these words alone, by commas; their scores stay shares of all words.")
      ->type_name("WORDS");
  command
      .add_option("--save", options->save, "Write the words to F (.jsonl, .json or .csv) instead.")
      ->type_name("F");
}

}  // namespace heed::cli
