// heed similar: how near texts are to one another.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/texts.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/search/index_model.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  bool pairs = false;
  int64_t top = 0;
};

struct Pair {
  size_t first;
  size_t second;
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

std::vector<Pair> compare(const Tensor& vectors, const Options& options) {
  const auto count = static_cast<size_t>(vectors.size(0));
  std::vector<Pair> pairs;
  if (options.pairs) {
    for (size_t i = 0; i < count; i += 2) pairs.push_back({i, i + 1, cosine(vectors, i, i + 1)});
    return pairs;
  }
  for (size_t i = 1; i < count; ++i) pairs.push_back({0, i, cosine(vectors, 0, i)});
  std::ranges::stable_sort(pairs, std::ranges::greater{}, &Pair::score);
  if (options.top > 0) pairs.resize(std::min(pairs.size(), static_cast<size_t>(options.top)));
  return pairs;
}

void similar(const Context& context, const Options& options) {
  const std::vector<std::string> texts = read_texts(options.inputs);
  if (texts.size() < 2 || (options.pairs && texts.size() % 2 != 0)) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("similar: needed {}, found {}",
                    options.pairs ? "two texts a pair" : "at least two texts", texts.size()));
  }
  const Embedder embedder = load_index_embedder(context.model);
  Embeddings embeddings;
  {
    ProgressBar bar(context, "comparing", "texts");
    embeddings = embedder(texts, {.batch = context.batch, .progress = bar.callback()});
  }
  for (const Pair& pair : compare(embeddings.vectors, options)) {
    const std::string &a = texts[pair.first], &b = texts[pair.second];
    if (!context.json) {
      const std::string head = options.pairs ? printable(a) + "  |  " : "";
      print(fmt::format("{:.4f}  {}{}\n", pair.score, head, printable(b)));
      continue;
    }
    OutJson line = {{"text", a}, {"other", b}, {"score", pair.score}};
    if (!options.pairs) line["corpus_id"] = static_cast<int64_t>(pair.second) - 1;
    print_json(line);
  }
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
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->excludes(pairs);
}

}  // namespace heed::cli
