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
#include "cli/texts.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  int64_t top = 1;
};

OutJson as_json(const std::string& text, const std::vector<ClassScore>& scores, size_t top) {
  OutJson line = {{"text", text}, {"label", scores.front().label}, {"score", scores.front().score}};
  if (top == 1) return line;
  OutJson more = OutJson::array();
  for (size_t i = 0; i < top; ++i) {
    more.push_back({{"label", scores[i].label}, {"score", scores[i].score}});
  }
  line["labels"] = std::move(more);
  return line;
}

void classify(const Context& context, const Options& options) {
  const std::vector<std::string> texts = read_texts(options.inputs);
  const Classifier classifier = Classifier::load(context.model);
  std::vector<std::vector<ClassScore>> results;
  {
    ProgressBar bar(context, "classifying", "texts");
    results = classifier(texts, context.batch, bar.callback());
  }
  const size_t top = std::min(static_cast<size_t>(options.top), classifier.labels().size());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (context.json) {
      print_json(as_json(texts[i], results[i], top));
      continue;
    }
    for (size_t n = 0; n < top; ++n) {
      print(fmt::format("{:.4f}  {}{}\n", results[i][n].score, printable(results[i][n].label),
                        n == 0 ? "  " + printable(texts[i]) : ""));
    }
  }
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
           "that transformers calls ForSequenceClassification.",
       .example = "heed classify \"Where is my card?\" --model banking"},
      [&context, options] { classify(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  add_batch_option(command, context);
  command.add_option("--top-k", options->top, "Print the N likeliest classes.")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
}

}  // namespace heed::cli
