// heed similar: how near texts are to one another.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/text_source.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/search/index_model.h"
#include "heed/tasks/notes.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  bool pairs = false;
  int64_t top = 0;
};

struct Other {
  size_t place;
  float score;
};

float cosine(const Tensor& vectors, size_t a, size_t b) {
  const auto width = static_cast<size_t>(vectors.size(1));
  const auto values = vectors.span<float>();
  double sum = 0;
  for (size_t c = 0; c < width; ++c) {
    sum += static_cast<double>(values[a * width + c]) * values[b * width + c];
  }
  return static_cast<float>(sum);
}

/// The texts after the first one, those that are near to it first.
std::vector<Other> ranked(const Tensor& vectors, int64_t top) {
  std::vector<Other> others;
  for (size_t i = 1; i < static_cast<size_t>(vectors.size(0)); ++i) {
    others.push_back({i, cosine(vectors, 0, i)});
  }
  std::ranges::stable_sort(others, std::ranges::greater{}, &Other::score);
  if (top > 0) others.resize(std::min(others.size(), static_cast<size_t>(top)));
  return others;
}

[[noreturn]] void refuse(const char* needed, int64_t found) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("similar: needed {}, found {}", needed, found));
}

void compare_with_first(const Context& context, const Options& options) {
  const std::vector<std::string> texts = read_texts(options.inputs);
  if (texts.size() < 2) refuse("at least two texts", std::ssize(texts));
  const Embedder embedder = load_index_embedder(context.model);
  RunNotes notes;
  Embeddings embeddings;
  {
    ProgressBar bar(context, "comparing", "texts");
    embeddings =
        embedder(texts, {.batch = context.batch, .progress = bar.callback(), .notes = &notes});
  }
  notes.finish("similar");
  for (const Other& near : ranked(embeddings.vectors, options.top)) {
    const std::string& other = texts[near.place];
    if (!context.json) {
      print(fmt::format("{:.4f}  {}\n", near.score, printable(other)));
      continue;
    }
    OutJson line = {{"text", texts[0]}, {"other", other}, {"score", near.score}};
    line["corpus_id"] = static_cast<int64_t>(near.place) - 1;
    print_json(line);
  }
}

void show_pair(const Context& context, const std::string& a, const std::string& b, float score) {
  if (context.json) return print_json({{"text", a}, {"other", b}, {"score", score}});
  print(fmt::format("{:.4f}  {}  |  {}\n", score, printable(a), printable(b)));
}

void compare_pairs(const Context& context, const Options& options) {
  constexpr const char* kNeeded = "two texts a pair";
  TextSource source(options.inputs);
  if (source.total() % 2 != 0) refuse(kNeeded, source.total());
  const Embedder embedder = load_index_embedder(context.model);
  std::vector<std::string> waiting;  // the last one's second text may not be there yet
  int64_t count = 0;
  RunNotes notes;
  in_parts(context, "comparing", source,
           [&](std::span<const std::string> texts, const Progress& progress) {
             count += std::ssize(texts);
             waiting.insert(waiting.end(), texts.begin(), texts.end());
             const std::vector<std::string> last(waiting.end() - std::ssize(waiting) % 2,
                                                 waiting.end());
             waiting.resize(waiting.size() - last.size());
             const Tensor vectors =
                 embedder(waiting, {.batch = context.batch, .progress = progress, .notes = &notes})
                     .vectors;
             clear_progress();
             for (size_t i = 0; i < waiting.size(); i += 2) {
               show_pair(context, waiting[i], waiting[i + 1], cosine(vectors, i, i + 1));
             }
             waiting = last;
           });
  notes.finish("similar");
  if (!waiting.empty()) refuse(kNeeded, count);
}

void similar(const Context& context, const Options& options) {
  options.pairs ? compare_pairs(context, options) : compare_with_first(context, options);
}

}  // namespace

void add_similar(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "similar",
       .summary = "Print how near the first text is to each other one, nearest first.",
       .details =
           "The number is the cosine of the texts' vectors: 1 for the same direction, about 0 "
           "for texts that have nothing in common. corpus_id in --json counts the other "
           "texts from 0.",
       .example = "heed similar \"How old are you?\" \"What is your age?\" \"It rains.\""},
      [&context, options] { similar(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  add_batch_option(command, context);
  auto* pairs = command.add_flag("--pairs", options->pairs,
                                 "Compare the first text with the second, the third with the "
                                 "fourth and so on, in their order.");
  command.add_option("--top-k", options->top, "Print the N nearest alone; 0 is all.")
      ->type_name("N")
      ->check(whole_number(0, uint64_t{1} << 40))
      ->excludes(pairs);
}

}  // namespace heed::cli
