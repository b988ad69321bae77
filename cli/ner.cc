// heed ner: the names in each text.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/texts.h"
#include "heed/base/cancel.h"
#include "heed/base/message.h"
#include "heed/tasks/names.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string aggregation = "simple";
};

OutJson as_json(const FoundName& name, bool grouped) {
  return {{grouped ? "entity_group" : "entity", name.kind},
          {"score", name.score},
          {"word", name.word},
          {"start", name.chars.start},
          {"end", name.chars.end},
          {"byte_start", name.bytes.start},
          {"byte_end", name.bytes.end}};
}

void find_names(const Context& context, const Options& options) {
  const std::vector<std::string> texts = read_texts(options.inputs);
  const Aggregation aggregation = aggregation_from_name(options.aggregation);
  const NameFinder finder = NameFinder::load(context.model);
  for (const std::string& text : texts) {
    check_cancelled();
    const std::vector<FoundName> names = finder(text, aggregation);
    if (context.json) {
      OutJson all = OutJson::array();
      for (const FoundName& name : names) {
        all.push_back(as_json(name, aggregation != Aggregation::none));
      }
      print_json({{"text", text}, {"entities", std::move(all)}});
      continue;
    }
    print(printable(text) + "\n");
    for (const FoundName& name : names) {
      print(fmt::format("  {:.4f}  {}  {}  [{}, {})\n", name.score, printable(name.kind),
                        printable(name.word), name.chars.start, name.chars.end));
    }
  }
}

}  // namespace

void add_ner(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "ner",
       .summary = "Print the names in each text: people, places, things.",
       .details =
           "The model is one that heed train ner made, or another checkpoint of the kind that "
           "transformers calls ForTokenClassification. Offsets are in characters; --json gives "
           "bytes beside them.",
       .example = "heed ner \"I saw the Empire State Building.\" --model wnut"},
      [&context, options] { find_names(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  command
      .add_option(
          "--aggregation", options->aggregation,
          "How pieces become names: simple joins neighbours of one kind; first, average and "
          "max let whole words have one tag; none prints each piece.")
      ->check(CLI::IsMember({"none", "simple", "first", "average", "max"}));
}

}  // namespace heed::cli
