// heed explain: the lessons, and the same walk through a user's own numbers.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <memory>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/picture_options.h"
#include "cli/progress.h"
#include "cli/texts.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/paths.h"
#include "heed/io/number_table.h"
#include "heed/lens/picture.h"
#include "heed/lessons/attention_walk.h"
#include "heed/lessons/lesson.h"

namespace heed::cli {
namespace {

constexpr const char* kOwnNumbers = "attention";

struct Options {
  std::string lesson;
  std::string input, w_query, w_key, w_value;
  bool causal = false;
  int64_t heads = 1;
  std::string scale;
  bool run = false;
  PictureOptions picture;

  bool for_own_numbers() const {
    return !(input + w_query + w_key + w_value + scale).empty() || causal || heads != 1;
  }
};

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, "explain: " + message);
}

std::vector<std::string> lesson_names() {
  std::vector<std::string> names;
  for (const Lesson& lesson : lessons()) names.emplace_back(lesson.name);
  names.emplace_back(kOwnNumbers);
  return names;
}

void list_lessons(const Context& context) {
  constexpr std::string_view kOwnSummary = "The same walk for your own numbers: --input F.csv.";
  if (context.json) {
    for (const Lesson& lesson : lessons()) {
      print_json({{"lesson", lesson.name}, {"title", lesson.title}, {"summary", lesson.summary}});
    }
    return;
  }
  for (const Lesson& lesson : lessons()) {
    print(fmt::format("{:<10} {}\n", lesson.name, lesson.title));
  }
  print(fmt::format("{:<10} {}\n\nheed explain LESSON walks through one.\n", kOwnNumbers,
                    kOwnSummary));
}

OutJson walk_json(const std::string& name, const std::vector<Step>& steps) {
  OutJson list = OutJson::array();
  for (const Step& step : steps) {
    list.push_back({{"name", step.name},
                    {"formula", step.formula},
                    {"shape", {step.values.size(0), step.values.size(1)}},
                    {"values", nested_json(step.values)},
                    {"rows", step.rows},
                    {"columns", step.columns},
                    {"says", step.says}});
  }
  return {{"lesson", name}, {"steps", std::move(list)}};
}

std::optional<float> parse_scale(const std::string& text) {
  if (text.empty()) return {};
  if (text == "none") return 1.0f;
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    fail("--scale must be none or a number, but is '" + text + "'");
  }
  return value;
}

NumberTable read_table(const std::string& file) {
  return file == "-" ? parse_number_table(read_standard_input(), "standard input")
                     : read_number_table(file);
}

std::vector<Step> walk_own_numbers(const Options& options) {
  if (options.input.empty()) {
    fail(
        "attention needs --input F.csv, rows of numbers; heed explain lists the lessons that "
        "bring their own");
  }
  const auto matrix = [](const std::string& file) {
    return file.empty() ? Tensor() : read_table(file).values;
  };
  NumberTable table = read_table(options.input);
  return walk_attention({.x = table.values,
                         .words = std::move(table.rows),
                         .features = std::move(table.columns),
                         .w_query = matrix(options.w_query),
                         .w_key = matrix(options.w_key),
                         .w_value = matrix(options.w_value),
                         .heads = options.heads,
                         .causal = options.causal,
                         .scale = parse_scale(options.scale)});
}

/// Curves where the format can hold them, else the maps.
void save_walk(const Options& options, std::string_view title, const std::vector<Step>& steps) {
  const std::string& file = options.picture.save;
  const std::vector<LineChart> charts = lesson_charts(steps);
  const std::string ending = ending_of(file);
  const bool draws = ending == ".png" || ending == ".svg" || ending == ".pdf";
  if (charts.empty() || !draws) {
    save_if_asked(options.picture, lesson_picture(title, "heed explain " + options.lesson, steps));
    return;
  }
  save_charts(charts, file, options.picture.file_theme());
  log(LogLevel::info, "wrote " + file);
}

std::vector<Step> walk_lesson(const Lesson& lesson, const Options& options,
                              const Context& context) {
  if (!options.run) return lesson.walk();
  if (lesson.run == nullptr) {
    fail(options.lesson + " is computed as you read it; --run belongs to the lesson recurrent");
  }
  if (!options.picture.save.empty()) check_picture_path(options.picture.save);
  ProgressBar bar(context, "training", "updates");
  return lesson.run({.seed = context.seed, .progress = bar.callback()});
}

void explain(const Options& options, const Context& context) {
  const bool own = options.lesson == kOwnNumbers;
  const Lesson* lesson = find_lesson(options.lesson);
  if (!own && lesson == nullptr) {
    fail("there is no lesson '" + options.lesson + "'" + suggest(options.lesson, lesson_names()) +
         fmt::format("; the lessons are {}", fmt::join(lesson_names(), ", ")));
  }
  if (own && options.run) fail("--run belongs to the lesson recurrent");
  if (!own && options.for_own_numbers()) {
    fail("--input, --wq, --wk, --wv, --causal, --heads and --scale belong to the lesson attention");
  }
  const std::vector<Step> steps =
      own ? walk_own_numbers(options) : walk_lesson(*lesson, options, context);
  const std::string_view title = own ? "Attention, step by step" : lesson->title;
  save_walk(options, title, steps);
  if (context.json) {
    print_json(walk_json(options.lesson, steps));
    return;
  }
  print(draw_walk(title, steps, style_for_output(options.picture, context)));
}

}  // namespace

void add_explain(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "explain",
       .summary = "Walk through attention step by step, with true numbers.",
       .details = "Without a name it lists the lessons. The lesson \"attention\" walks through "
                  "your own numbers: a .csv (or .npy) with one row a word; a first line of names "
                  "and a first column of words are recognised. Matrices multiply from the right "
                  "(x W), so each has as many rows as the input has columns. The lesson "
                  "\"recurrent\" shows a recording; --run measures it anew, some minutes.",
       .example = "heed explain journey"},
      [options, &context] {
        if (options->lesson.empty()) {
          list_lessons(context);
        } else {
          explain(*options, context);
        }
      });
  command.add_option("LESSON", options->lesson, "Name of a lesson, or attention.");
  const auto add_file = [&](const char* name, std::string& file, const char* text) {
    command.add_option(name, file, text)->type_name("F");
  };
  add_file("--input", options->input,
           "Your vectors, for the lesson attention; - is standard input.");
  add_file("--wq", options->w_query, "Matrix that makes queries; without it they are the input.");
  add_file("--wk", options->w_key, "Matrix that makes keys.");
  add_file("--wv", options->w_value, "Matrix that makes values.");
  command.add_flag("--causal", options->causal, "Hide later rows from earlier ones.");
  command.add_option("--heads", options->heads, "Cut queries, keys and values into N heads.")
      ->type_name("N");
  command
      .add_option("--scale", options->scale,
                  "Factor on the scores: none, or X. Default: 1 / sqrt(size of a head).")
      ->type_name("none|X");
  CLI::Option* const run =
      command.add_flag("--run", options->run,
                       "Train and measure what the lesson recurrent shows of a recording, anew.");
  add_seed_option(command, context);
  command.get_option("--seed")->needs(run);
  add_picture_options(command, options->picture, "Of the lesson recurrent, pictures show curves.");
}

}  // namespace heed::cli
