// heed embed: sentence vectors.

#include "heed/tasks/embed.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <span>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/text_source.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/npy.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string pooling;
  bool keep_length = false;
  std::optional<std::string> prompt;
  std::string prompt_name;
  std::string save;
};

/// A vector and what it is of.
struct Row {
  const std::string& text;
  std::span<const float> vector;
  int64_t tokens;
  bool truncated;
};

OutJson as_json(const Row& row) {
  OutJson object = {{"text", row.text},
                    {"vector", std::vector<float>(row.vector.begin(), row.vector.end())},
                    {"tokens", row.tokens}};
  object["truncated"] = row.truncated;
  return object;
}

std::string csv_header(int64_t width) {
  std::string line = "text";
  for (int64_t i = 0; i < width; ++i) line += fmt::format(",v{}", i);
  return line + "\n";
}

/// How a format that is text writes all rows.
struct Format {
  const char* ending;
  std::string head;
  std::string (*row)(const Row&);
  const char* between;
  const char* tail;
};

std::string numbers_line(const Row& row) { return fmt::format("{}\n", fmt::join(row.vector, " ")); }
std::string json_line(const Row& row) { return to_line(as_json(row)) + "\n"; }
std::string csv_line(const Row& row) {
  return fmt::format("{},{}\n", csv_cell(row.text), fmt::join(row.vector, ","));
}

std::vector<Format> formats(int64_t width) {
  return {{".txt", "", numbers_line, "", ""},
          {".jsonl", "", json_line, "", ""},
          {".json", "[\n", json_line, ",", "]\n"},
          {".csv", csv_header(width), csv_line, "", ""}};
}

void check_ending(const std::filesystem::path& path) {
  const std::string ending = ending_of(path);
  for (const char* known : {".npy", ".jsonl", ".json", ".txt", ".csv"}) {
    if (ending == known) return;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("--save {}: the ending must be .npy, .jsonl, .json, .txt or .csv",
                          in_quotes(path.string())));
}

class Result {
 public:
  Result(std::vector<std::string> texts, Embeddings embeddings)
      : texts_(std::move(texts)), embeddings_(std::move(embeddings)) {}

  size_t size() const { return texts_.size(); }
  Row operator[](size_t i) const {
    const auto width = static_cast<size_t>(embeddings_.vectors.size(1));
    return {texts_[i], embeddings_.vectors.span<float>().subspan(i * width, width),
            embeddings_.tokens[i], embeddings_.truncated[i]};
  }

  void save(const std::filesystem::path& path) const {
    const std::string ending = ending_of(path);
    if (ending == ".npy") return write_npy(path, embeddings_.vectors);
    for (const Format& format : formats(embeddings_.vectors.size(1))) {
      if (ending != format.ending) continue;
      AtomicFile file(path);
      file.write(format.head);
      for (size_t i = 0; i < size(); ++i) {
        if (i > 0) file.write(format.between);
        file.write(format.row((*this)[i]));
      }
      file.write(format.tail);
      file.commit();
    }
  }

  void print_all(bool json) const {
    for (size_t i = 0; i < size(); ++i) {
      print(json ? json_line((*this)[i]) : numbers_line((*this)[i]));
    }
  }

  /// Adds the numbers of the texts that were longer than the model reads; `before` came before.
  void add_cuts(int64_t before, std::vector<std::string>& cut) const {
    for (size_t i = 0; i < size(); ++i) {
      if (!embeddings_.truncated[i]) continue;
      cut.push_back(std::to_string(before + static_cast<int64_t>(i) + 1));
    }
  }

 private:
  std::vector<std::string> texts_;
  Embeddings embeddings_;
};

void report_cuts(const std::vector<std::string>& cut, int64_t max_tokens) {
  constexpr size_t kMost = 8;
  if (cut.empty()) return;
  log(LogLevel::warning,
      fmt::format("only the first {} tokens of text {} were read, which is this model's limit",
                  max_tokens, listed(cut, kMost)));
}

EmbedOptions embed_options(const Context& context, const Options& options,
                           const Progress& progress) {
  return {.batch = context.batch, .progress = progress, .prompt = options.prompt};
}

/// Prints vectors while the next ones are computed, or their texts are not yet there.
void print_in_parts(const Context& context, const Options& options, const Embedder& embedder,
                    TextSource& source) {
  std::vector<std::string> cut;
  int64_t before = 0;
  in_parts(context, "embedding", source,
           [&](std::span<const std::string> texts, const Progress& progress) {
             const Result part({texts.begin(), texts.end()},
                               embedder(texts, embed_options(context, options, progress)));
             clear_progress();
             part.print_all(context.json);
             part.add_cuts(before, cut);
             before += std::ssize(texts);
           });
  report_cuts(cut, embedder.max_tokens());
}

void save_all(const Context& context, const Options& options, const Embedder& embedder,
              TextSource& source) {
  std::vector<std::string> texts;
  for (auto more = source.next(INT64_MAX); !more.empty(); more = source.next(INT64_MAX)) {
    std::ranges::move(more, std::back_inserter(texts));
  }
  Embeddings embeddings;
  {
    ProgressBar bar(context, "embedding", "texts");
    embeddings = embedder(texts, embed_options(context, options, bar.callback()));
  }
  const Result result(std::move(texts), std::move(embeddings));
  std::vector<std::string> cut;
  result.add_cuts(0, cut);
  report_cuts(cut, embedder.max_tokens());
  if (context.json) result.print_all(true);
  result.save(options.save);
  log(LogLevel::info,
      fmt::format("{} of {} numbers are in {}", counted(std::ssize(result), "vector"),
                  embedder.width(), options.save));
}

void embed(const Context& context, const Options& options) {
  if (!options.save.empty()) check_ending(options.save);
  TextSource source(options.inputs);
  EmbedderOptions changes;
  if (!options.pooling.empty()) changes.pooling = pooling_from_name(options.pooling);
  if (options.keep_length) changes.normalize = false;
  changes.prompt_name = options.prompt_name;
  const Embedder embedder = Embedder::load(context.model, changes);
  options.save.empty() ? print_in_parts(context, options, embedder, source)
                       : save_all(context, options, embedder, source);
}

}  // namespace

void add_embed(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "embed",
       .summary = "Print a vector for each text: texts that mean the same get near vectors.",
       .details = "Pooling, normalisation and the longest text read are what the checkpoint's "
                  "sentence-transformers files say; without them, the mean over the tokens.",
       .example = "heed embed \"How old are you?\" \"What is your age?\" --save vectors.npy"},
      [&context, options] { embed(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  add_batch_option(command, context);
  command
      .add_option("--pooling", options->pooling,
                  "How a text's token vectors become one, instead of what the files say.")
      ->check(CLI::IsMember(
          {"mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"}));
  CLI::Option* prompt =
      command
          .add_option(
              "--prompt", options->prompt,
              "Put TEXT before each text, as models that are told what vectors are for ask.")
          ->type_name("TEXT");
  command
      .add_option("--prompt-name", options->prompt_name,
                  "The same with the prompt that config_sentence_transformers.json has under NAME; "
                  "by default its default_prompt_name.")
      ->type_name("NAME")
      ->excludes(prompt);
  command.add_flag("--no-normalize", options->keep_length,
                   "Leave the vectors' lengths as they come.");
  command
      .add_option("--save", options->save,
                  "Write the vectors to F (.npy, .jsonl, .json, .txt or .csv) instead.")
      ->type_name("F");
}

}  // namespace heed::cli
