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
#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string pair;        // the second text of every pair
  std::string pair_field;  // or the field that holds it
  int64_t top = 1;
  std::string function;
  std::string save;
};

using Scores = std::span<const ClassScore>;

OutJson as_json(const ClassScore& found) {
  return {{"label", found.label}, {"score", found.score}};
}

/// A text, or two, as a line of results begins.
struct Input {
  const std::string& text;
  const std::string* pair;  // null: none
};

OutJson as_json(const Input& input) {
  OutJson line = {{"text", input.text}};
  if (input.pair != nullptr) line["text_pair"] = *input.pair;
  return line;
}

OutJson as_json(const Input& input, Scores scores) {
  OutJson line = as_json(input);
  line.update(as_json(scores[0]));
  if (scores.size() == 1) return line;
  OutJson all = OutJson::array();
  for (const ClassScore& found : scores) all.push_back(as_json(found));
  line["labels"] = std::move(all);
  return line;
}

void print_scores(const Input& input, Scores scores) {
  std::string texts = "  " + printable(input.text);
  if (input.pair != nullptr) texts += " | " + printable(*input.pair);
  for (const ClassScore& found : scores) {
    const bool first = &found == scores.data();
    print(fmt::format("{:.4f}  {}{}\n", found.score, printable(found.label), first ? texts : ""));
  }
}

/// The second texts of pairs.
class Seconds {
 public:
  explicit Seconds(const Options& options) : one_(options.pair) {
    if (options.pair_field.empty()) return;
    if (!options.inputs.texts.empty() || !has_fields(options.inputs.file)) {
      throw Error(
          ErrorCode::invalid_argument,
          "--pair-field: needs the texts of a .jsonl or .csv --file alone; --pair TEXT goes "
          "with any");
    }
    all_ = read_texts({.file = options.inputs.file, .field = options.pair_field});
  }
  bool any() const { return !one_.empty() || !all_.empty(); }
  /// Those of the next `count` texts.
  std::vector<std::string> next(size_t count) {
    if (all_.empty()) return std::vector<std::string>(count, one_);
    HEED_ASSERT(given_ + count <= all_.size());  // a row without the field was refused
    const auto begin = all_.begin() + static_cast<std::ptrdiff_t>(given_);
    given_ += count;
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }

 private:
  std::string one_;
  std::vector<std::string> all_;
  size_t given_ = 0;
};

void classify(const Context& context, const Options& options) {
  Seconds seconds(options);
  ResultsFile file(options.save,
                   seconds.any() ? std::vector<std::string>{"text", "text_pair", "label", "score"}
                                 : std::vector<std::string>{"text", "label", "score"});
  TextSource source(options.inputs);
  RunNotes notes;
  ClassifyOptions how{.batch = context.batch, .notes = &notes};
  if (!options.function.empty()) how.function = score_function_from_name(options.function);
  const Classifier classifier = Classifier::load(context.model);
  const size_t classes = classifier.labels().size();
  const size_t top =
      options.top == 0 ? classes : std::min(static_cast<size_t>(options.top), classes);
  in_parts(context, "classifying", source,
           [&](std::span<const std::string> part, const Progress& progress) {
             how.progress = progress;
             const std::vector<std::string> others =
                 seconds.any() ? seconds.next(part.size()) : std::vector<std::string>();
             const auto results =
                 seconds.any() ? classifier.pairs(part, others, how) : classifier(part, how);
             clear_progress();
             for (size_t i = 0; i < part.size(); ++i) {
               const Input input{part[i], seconds.any() ? &others[i] : nullptr};
               const Scores best = Scores(results[i]).first(top);
               const OutJson line = as_json(input, best);
               std::vector<OutJson> rows;
               for (const ClassScore& found : best) {
                 rows.push_back(as_json(input));
                 rows.back().update(as_json(found));
               }
               file.add(line, rows);
               if (context.json) {
                 print_json(line);
               } else if (!file.open()) {
                 print_scores(input, best);
               }
             }
           });
  notes.finish("classify");
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
  CLI::Option* pair =
      command
          .add_option("--pair", options->pair,
                      "A second text beside each, for models that judge two: a claim, a question.")
          ->type_name("TEXT");
  command
      .add_option("--pair-field", options->pair_field,
                  "Which field of a .jsonl or .csv file is the second text.")
      ->type_name("NAME")
      ->excludes(pair);
  add_model_option(command, context, "A classifier of texts");
  add_batch_option(command, context);
  command.add_option("--top-k", options->top, "Print the N likeliest classes; 0 prints all.")
      ->type_name("N")
      ->check(whole_number(0, uint64_t{1} << 20));
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
