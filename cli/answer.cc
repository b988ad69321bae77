// heed answer: the part of a text that answers a question.

#include "heed/tasks/answer.h"

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
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs questions{.usual_field = "question"};
  std::string context;
  std::string context_file;
  std::string context_field;
  AnswerOptions how;
  bool exact = false;
  std::string save;
};

OutJson as_json(const FoundAnswer& found) {
  return {{"answer", found.text},
          {"score", found.score},
          {"start", found.chars.start},
          {"end", found.chars.end},
          {"byte_start", found.bytes.start},
          {"byte_end", found.bytes.end}};
}

OutJson as_json(const std::string& question, const std::vector<FoundAnswer>& found, int64_t top) {
  OutJson line = {{"question", question}};
  line.update(found.empty() ? OutJson{{"answer", nullptr}} : as_json(found[0]));
  if (top == 1) return line;
  OutJson all = OutJson::array();
  for (const FoundAnswer& answer : found) all.push_back(as_json(answer));
  line["answers"] = std::move(all);
  return line;
}

void print_answers(const std::string& question, const std::vector<FoundAnswer>& found) {
  print(printable(question) + "\n");
  if (found.empty()) print("  no answer\n");
  for (const FoundAnswer& answer : found) {
    print(fmt::format("  {:.4f}  {}  [{}, {})\n", answer.score,
                      answer.text.empty() ? "no answer" : printable(answer.text),
                      answer.chars.start, answer.chars.end));
  }
}

/// The text that each question is asked of: one for all, or a field beside it. questions: how many
/// there are, or 0.
std::vector<std::string> contexts_of(const Options& options, int64_t questions) {
  const int given = (options.context.empty() ? 0 : 1) + (options.context_file.empty() ? 0 : 1) +
                    (options.context_field.empty() ? 0 : 1);
  if (given != 1) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("answer: needed a text to look in, one of --context TEXT, --in F or, of "
                    "questions from a .jsonl or .csv --file, --context-field NAME; found "
                    "{} of them",
                    given == 0 ? "none" : "several"));
  }
  if (!options.context.empty()) return {options.context};
  if (!options.context_file.empty()) {
    const auto& texts = options.questions.texts;
    const bool piped =
        options.questions.file == "-" || std::ranges::find(texts, "-") != texts.end();
    if (piped && options.context_file == "-") {
      throw Error(ErrorCode::invalid_argument,
                  "answer: standard input can be the questions or the text to look in, not both");
    }
    TextInputs whole;
    if (options.context_file == "-") {
      whole.texts = {"-"};
    } else {
      whole.file = options.context_file;
    }
    return {read_whole(whole, "answer")};
  }
  need_fields("--context-field", options.questions.file);
  std::vector<std::string> contexts =
      read_texts({.file = options.questions.file, .field = options.context_field});
  if (!options.questions.texts.empty() || std::ssize(contexts) != questions) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--context-field: needs a text for each of the {} questions, found {} "
                            "in --file",
                            questions, contexts.size()));
  }
  return contexts;
}

void answer(const Context& context, const Options& options) {
  ResultsFile file(options.save,
                   {"question", "answer", "score", "start", "end", "byte_start", "byte_end"});
  TextSource questions(options.questions);
  const std::vector<std::string> contexts = contexts_of(options, questions.total());
  AnswerOptions how = options.how;
  how.align_to_words = !options.exact;
  how.batch = context.batch;
  const Answerer answerer = Answerer::load(context.model);
  const auto show = [&](const std::string& question, const std::vector<FoundAnswer>& found) {
    const OutJson line = as_json(question, found, how.top_k);
    std::vector<OutJson> rows;
    for (const FoundAnswer& one : found) {
      OutJson row = {{"question", question}};
      row.update(as_json(one));
      rows.push_back(std::move(row));
    }
    clear_progress();
    file.add(line, rows);
    if (context.json) {
      print_json(line);
    } else if (!file.open()) {
      print_answers(question, found);
    }
  };
  size_t asked = 0;
  in_turn(context, "answering", questions, 1,
          [&](std::span<const std::string> next, const Progress& progress) {
            check_cancelled();
            how.progress = progress;
            const size_t place = contexts.size() == 1 ? 0 : asked++;
            show(next[0], answerer(next[0], contexts[place], how));
          });
  file.commit();
}

void add_search_options(CLI::App& command, Options& options) {
  const auto positive = whole_number(1, uint64_t{1} << 20);
  command.add_option("--top-k", options.how.top_k, "Print the N best answers.")
      ->type_name("N")
      ->capture_default_str()
      ->check(positive);
  command
      .add_option("--max-answer-len", options.how.max_answer_tokens,
                  "How many tokens an answer may have.")
      ->type_name("N")
      ->capture_default_str()
      ->check(positive);
  command
      .add_option("--max-seq-len", options.how.max_tokens,
                  "Tokens that are read at once, the question's included (default: what the model "
                  "reads, 384 at most).")
      ->type_name("N")
      ->check(positive);
  command
      .add_option("--doc-stride", options.how.stride,
                  "Tokens that two windows of a long text share (default: half of a window, 128 "
                  "at most).")
      ->type_name("N")
      ->check(whole_number(0, uint64_t{1} << 20));
  command.add_flag("--handle-impossible-answer", options.how.handle_impossible_answer,
                   "\"No answer\" is an answer too, if the model finds it likelier.");
  command.add_flag("--exact", options.exact,
                   "Answers may begin and end inside a word, as the model has it.");
}

}  // namespace

void add_answer(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "answer",
       .summary = "Print the part of a text that answers a question.",
       .details =
           "A text of any length is read in windows that overlap. The model is a checkpoint of the "
           "kind that transformers calls ForQuestionAnswering. Offsets are in characters; --json "
           "gives bytes beside them.",
       .example = "heed answer \"Where is the library?\" --in guide.txt --model squad"},
      [&context, options] { answer(context, *options); });
  add_text_inputs(command, options->questions);
  command.add_option("--context", options->context, "The text to look in.")->type_name("TEXT");
  command.add_option("--in", options->context_file, "Look in the text of the file F.")
      ->type_name("F");
  command
      .add_option("--context-field", options->context_field,
                  "The field of --file that holds the text each question is asked of.")
      ->type_name("NAME");
  add_model_option(command, context, "A model that answers questions");
  add_batch_option(command, context);
  add_search_options(command, *options);
  command
      .add_option("--save", options->save,
                  "Write the answers to F (.jsonl, .json or .csv) instead.")
      ->type_name("F");
}

}  // namespace heed::cli
