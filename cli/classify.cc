// heed classify: the class of each text.

#include "heed/tasks/classify.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

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
  int64_t top = 1;
  std::string function;
  std::string save;
};

using Scores = std::span<const ClassScore>;

OutJson as_json(const ClassScore& found) {
  return {{"label", found.label}, {"score", found.score}};
}

OutJson as_json(const std::string& text, Scores scores) {
  OutJson line = {{"text", text}};
  line.update(as_json(scores[0]));
  if (scores.size() == 1) return line;
  OutJson all = OutJson::array();
  for (const ClassScore& found : scores) all.push_back(as_json(found));
  line["labels"] = std::move(all);
  return line;
}

void print_scores(const std::string& text, Scores scores) {
  for (const ClassScore& found : scores) {
    const bool first = &found == scores.data();
    print(fmt::format("{:.4f}  {}{}\n", found.score, printable(found.label),
                      first ? "  " + printable(text) : ""));
  }
}

void classify(const Context& context, const Options& options) {
  ResultsFile file(options.save, {"text", "label", "score"});
  TextSource source(options.inputs);
  ClassifyOptions how{.batch = context.batch};
  if (!options.function.empty()) how.function = score_function_from_name(options.function);
  const Classifier classifier = Classifier::load(context.model);
  const size_t classes = classifier.labels().size();
  const size_t top =
      options.top == 0 ? classes : std::min(static_cast<size_t>(options.top), classes);
  in_parts(
      context, "classifying", source,
      [&](std::span<const std::string> part, const Progress& progress) {
        how.progress = progress;
        const auto results = classifier(part, how);
        clear_progress();
        for (size_t i = 0; i < part.size(); ++i) {
          const Scores best = Scores(results[i]).first(top);
          const OutJson line = as_json(part[i], best);
          std::vector<OutJson> rows;
          for (const ClassScore& found : best) {
            rows.push_back({{"text", part[i]}, {"label", found.label}, {"score", found.score}});
          }
          file.add(line, rows);
          if (context.json) {
            print_json(line);
          } else if (!file.open()) {
            print_scores(part[i], best);
          }
        }
      });
  file.commit();
}

}  // namespace

void add_classify(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "classify",
       .summary = "Print the class of each text.",
       .details =
           "The model is one that heed train classify made, or another checkpoint of the kind "
           "that transformers calls ForSequenceClassification, of one class or several at once.",
       .example = "heed classify \"Where is my card?\" --model banking"},
      [&context, options] { classify(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  add_batch_option(command, context);
  command.add_option("--top-k", options->top, "Print the N likeliest classes; 0 prints all.")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20));
  command
      .add_option("--function", options->function,
                  "What makes scores of the model's numbers, instead of what it says itself.")
      ->check(CLI::IsMember({"softmax", "sigmoid", "none"}));
  command
      .add_option("--save", options->save,
                  "Write the classes to F (.jsonl, .json or .csv) instead.")
      ->type_name("F");
}

}  // namespace heed::cli
