// heed tokenizer: learn a tokenizer from texts.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/texts.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/io/csv.h"
#include "heed/io/records.h"
#include "heed/text/pipeline.h"
#include "heed/text/train_tokenizer.h"
#include "heed/text/utf8_fault.h"

namespace heed::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsualField = "text";

struct Options {
  std::string action;
  std::vector<std::string> files;
  std::optional<std::string> field;
  std::string kind = "bpe";
  std::string save = "tokenizer.json";
  std::vector<std::string> special;
  std::string unknown;
  int64_t vocab = 8192;
  int64_t min_frequency = 0;  // 0: the kind's default
  bool no_special = false;
  bool lowercase = false;
};

TokenizerTraining training_of(const Options& options) {
  TokenizerTraining training{.kind = tokenizer_kind(options.kind).value(),  // checked by CLI11
                             .vocab = options.vocab,
                             .lowercase = options.lowercase};
  if (options.min_frequency > 0) training.min_frequency = options.min_frequency;
  if (options.no_special && !options.special.empty()) {
    throw Error(ErrorCode::invalid_argument, "--special and --no-special contradict one another");
  }
  if (options.no_special || !options.special.empty()) training.special = options.special;
  if (!options.unknown.empty()) training.unknown = options.unknown;
  return training;
}

/// The file to write: a folder gets a tokenizer.json. A model's own stays: its ids are the model's.
fs::path output_of(const Options& options) {
  if (options.save.empty()) {
    throw Error(ErrorCode::invalid_argument, "--save: needed a file or folder, found ''");
  }
  std::error_code ignored;
  const fs::path path = options.save;
  const fs::path file = fs::is_directory(path, ignored) ? path / "tokenizer.json" : path;
  if (fs::exists(file, ignored) && fs::exists(file.parent_path() / "config.json", ignored)) {
    throw Error(ErrorCode::invalid_argument,
                "tokenizer: --save needed a file that belongs to no model, found " +
                    in_quotes(file.string()) + " beside a config.json; save it elsewhere");
  }
  return file;
}

/// Lines with their ends, since a model learns those too.
template <class Use>
void each_line(std::string_view content, Use use) {
  while (!content.empty()) {
    const size_t length = std::min(content.find('\n'), content.size() - 1) + 1;
    use(content.substr(0, length));
    content.remove_prefix(length);
  }
}

/// The bytes of text in a file.
int64_t learn_from(const std::string& file, const Options& options, TokenizerTrainer& trainer,
                   ProgressBar& bar) {
  const bool piped = file == "-";
  const std::string content = piped ? read_standard_input() : read_file(file);
  if (const std::string fault = utf8_fault(content, piped ? "standard input" : file);
      !fault.empty()) {
    throw Error(ErrorCode::corrupt_data, fault);
  }
  int64_t bytes = 0;
  const auto use = [&](std::string_view text) {
    check_cancelled();
    trainer.add(text);
    bytes += static_cast<int64_t>(text.size());
    bar.update(bytes, static_cast<int64_t>(content.size()));
  };
  const std::string field = options.field.value_or(kUsualField);
  switch (record_format(file)) {
    case RecordFormat::json_lines:
      for (const auto& one : json_line_records(content, field, file)) use(one.text);
      break;
    case RecordFormat::csv:
      for (const auto& one : csv_records(content, field, file)) use(one.text);
      break;
    case RecordFormat::none:
      each_line(without_byte_order_mark(content), use);
      break;
  }
  return bytes;
}

std::string learn(const Context& context, const TokenizerTrainer& trainer) {
  if (!context.json) {
    ProgressBar bar(context, "learning", "pieces");
    return trainer.train(bar.callback());
  }
  int64_t told = 0;  // tenths of the work
  return trainer.train([&](int64_t done, int64_t total) {
    if (done * 10 / total <= told) return;
    told = done * 10 / total;
    OutJson out;
    out["pieces"] = done;
    out["of"] = total;
    print_json(out);
  });
}

void train(const Context& context, const Options& options) {
  if (options.field && std::ranges::none_of(options.files, has_fields)) {
    throw Error(ErrorCode::invalid_argument,
                "--field: needs a file with fields, .jsonl or .csv, found " +
                    in_quotes(options.files.front()));
  }
  const fs::path output = output_of(options);
  TokenizerTrainer trainer(training_of(options));
  int64_t bytes = 0;
  for (const std::string& file : options.files) {
    ProgressBar bar(context, "reading " + file, "bytes");
    bytes += learn_from(file, options, trainer, bar);
  }
  const std::string json = learn(context, trainer);
  const auto tokenizer = tokenizer_from_json(json, output.string());
  write_file(output, json);
  if (!context.json) {
    print(fmt::format("{}: {} pieces ({}), learned from {} bytes\n", output.string(),
                      tokenizer->vocab_size(), options.kind, bytes));
    return;
  }
  OutJson out;
  out["file"] = output.string();
  out["kind"] = options.kind;
  out["pieces"] = tokenizer->vocab_size();
  out["bytes"] = bytes;
  print_json(out);
}

}  // namespace

void add_tokenizer(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "tokenizer",
       .summary = "Learn a tokenizer from texts.",
       .details =
           "The result is a tokenizer.json that heed and the tokenizers library load. A text "
           "is a line of a file, with its end; of a .jsonl or .csv it is a field. bpe is "
           "byte-level as GPT-2's: it knows every text. wordpiece is cased unless --lowercase "
           "is given. unigram is T5's: the likeliest of all ways to cut. characters gives every "
           "character an id, by code point.",
       .example = "heed tokenizer train input.txt --kind bpe --vocab 4096 --save tokenizer.json"},
      [&context, options] { train(context, *options); });
  command.add_option("ACTION", options->action, "What to do.")
      ->required()
      ->check(CLI::IsMember({"train"}));
  command.add_option("FILE", options->files, "Texts to learn from; - is standard input.")
      ->required()
      ->default_str("");
  command.add_option("--field", options->field, "Field of a .jsonl or .csv that has the text.")
      ->type_name("NAME")
      ->default_str(kUsualField);
  command.add_option("--kind", options->kind, "What the pieces are.")
      ->check(
          CLI::IsMember(std::vector<std::string>(kTokenizerKinds.begin(), kTokenizerKinds.end())));
  command.add_option("--vocab", options->vocab, "Learn at most N pieces, special ones included.")
      ->type_name("N")
      ->check(whole_number(1, uint64_t{1} << 30));
  command
      .add_option("--min-frequency", options->min_frequency,
                  "Merge pairs that occur N times (2 without it); with characters, keep those that "
                  "do (1).")
      ->type_name("N")
      ->default_str("")
      ->check(whole_number(1, uint64_t{1} << 40));
  add_list_option(command, "--special", options->special,
                  "Special tokens, which get the first ids; without it bpe has <|endoftext|> and "
                  "wordpiece [PAD] [UNK] [CLS] [SEP] [MASK] and unigram <pad> </s> <unk>.")
      ->type_name("TOKEN,...");
  command.add_flag("--no-special", options->no_special, "No special tokens.");
  command
      .add_option(
          "--unknown", options->unknown,
          "Special token for what has no piece (wordpiece: [UNK], unigram: <unk>). Without it "
          "characters keeps every character.")
      ->type_name("TOKEN");
  command.add_flag("--lowercase", options->lowercase, "Read texts in lower case.");
  command.add_option("--save", options->save, "File or folder to write.")->type_name("F");
}

}  // namespace heed::cli
