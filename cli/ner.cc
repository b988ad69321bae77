// heed ner: the names in each text.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/marked_text.h"
#include "cli/progress.h"
#include "cli/results_file.h"
#include "cli/terminal.h"
#include "cli/text_source.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/tasks/names.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string aggregation = "simple";
  std::optional<int64_t> stride;
  std::vector<std::string> ignore{"O"};
  std::string save;

  bool grouped() const { return aggregation != "none"; }
  bool saves_page() const { return ending_of(save) == ".html"; }
  const char* kind_field() const { return grouped() ? "entity_group" : "entity"; }
};

OutJson as_json(const FoundName& name, const Options& options) {
  OutJson object = {{options.kind_field(), name.kind}, {"score", name.score}};
  if (!options.grouped()) object["index"] = name.index;
  object.update(OutJson{{"word", name.word},
                        {"start", name.chars.start},
                        {"end", name.chars.end},
                        {"byte_start", name.bytes.start},
                        {"byte_end", name.bytes.end}});
  return object;
}

std::vector<Mark> marks_of(const std::vector<FoundName>& names) {
  std::vector<Mark> marks;
  for (const FoundName& name : names) {
    const int64_t covered = marks.empty() ? 0 : marks.back().bytes.end;
    if (name.bytes.start >= covered) marks.push_back({name.bytes, name.kind});
  }
  return marks;
}

/// Where the names of a run go, beside the terminal.
struct Outputs {
  ResultsFile file;
  std::optional<MarkedPage> page;
  std::optional<AtomicFile> page_file;  // opened before the work: it may be no place to write to
  Colors colors;
};

void write_names(const Context& context, const Options& options, const std::string& text,
                 const std::vector<FoundName>& names, Outputs& to) {
  OutJson all = OutJson::array();
  std::vector<OutJson> rows;
  for (const FoundName& name : names) {
    all.push_back(as_json(name, options));
    rows.push_back({{"text", text}});
    rows.back().update(all.back());
  }
  const OutJson line = {{"text", text}, {"entities", std::move(all)}};
  to.file.add(line, rows);
  if (to.page) to.page->add(text, marks_of(names));
  if (context.json) return print_json(line);
  if (!options.save.empty()) return;
  const bool colored = to.colors != Colors::none;
  print((colored ? marked_line(text, marks_of(names), to.colors) : printable(text)) + "\n");
  for (const FoundName& name : names) {
    print(fmt::format("  {:.4f}  {}  {}  [{}, {})\n", name.score, printable(name.kind),
                      printable(name.word), name.chars.start, name.chars.end));
  }
}

void find_names(const Context& context, const Options& options) {
  Outputs to{.file = {options.saves_page() ? "" : options.save,
                      {"text", options.kind_field(), "score", "word", "start", "end", "byte_start",
                       "byte_end"},
                      ".html, "},
             .page = {},
             .page_file = {},
             .colors = terminal_colors(stdout, context.no_color)};
  if (options.saves_page()) {
    to.page.emplace("Names");
    to.page_file.emplace(options.save);
  }
  TextSource source(options.inputs);
  RunNotes notes;
  NameOptions how{.aggregation = aggregation_from_name(options.aggregation),
                  .stride = options.stride,
                  .ignore = options.ignore,
                  .batch = context.batch,
                  .notes = &notes};
  const NameFinder finder = NameFinder::load(context.model);
  in_parts(context, "reading", source,
           [&](std::span<const std::string> part, const Progress& progress) {
             how.progress = progress;
             const auto found = finder(part, how);
             clear_progress();
             for (size_t i = 0; i < part.size(); ++i) {
               write_names(context, options, part[i], found[i], to);
             }
           });
  notes.finish("ner");
  to.file.commit();
  if (to.page) {
    to.page_file->write(std::move(*to.page).finish());
    to.page_file->commit();
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
           "transformers calls ForTokenClassification, with IOB, BIOES or plain tags. Offsets are "
           "in characters; --json gives bytes beside them.",
       .example = "heed ner \"I saw the Empire State Building.\" --model wnut"},
      [&context, options] { find_names(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context, "A finder of names");
  add_batch_option(command, context);
  command
      .add_option(
          "--aggregation", options->aggregation,
          "How pieces become names: simple joins neighbours of one kind; first, average and "
          "max let whole words have one tag; none prints each piece.")
      ->check(CLI::IsMember({"none", "simple", "first", "average", "max"}));
  command
      .add_option("--stride", options->stride,
                  "Read long texts whole, in windows that share N tokens, instead of their "
                  "beginning.")
      ->type_name("N")
      ->check(whole_number(0, uint64_t{1} << 20));
  add_list_option(command, "--ignore-labels", options->ignore,
                  "Kinds and tags to leave out, by commas.", /*may_be_empty=*/true)
      ->type_name("NAMES")
      ->default_str("O");
  command
      .add_option("--save", options->save,
                  "Write the names to F (.jsonl, .json or .csv), or the texts with their names "
                  "marked (.html), instead.")
      ->type_name("F");
}

}  // namespace heed::cli
