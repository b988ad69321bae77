// heed search: an index of files by what their passages mean, and queries to it.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/search_show.h"
#include "cli/text_source.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/search/highlight.h"
#include "heed/search/index.h"
#include "heed/search/index_model.h"
#include "heed/search/index_writer.h"
#include "heed/tasks/notes.h"

namespace heed::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string action;
  std::string index;
  std::vector<std::string> arguments;
  std::string file;
  ChunkWish chunks;
  bool lines = false;
  std::string field = "text";
  int64_t commit_rows = IndexingOptions{}.commit_rows;
  int64_t top = 5;
  bool plain = false;
  CLI::App* command = nullptr;

  bool given(const std::string& option) const { return command->count(option) > 0; }
};

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, "search " + message);
}

/// Options that only some actions use; with another one they would do nothing.
void check_options(const Options& options) {
  constexpr std::pair<const char*, const char*> kUses[] = {{"--chunk-tokens", "index"},
                                                           {"--overlap", "index"},
                                                           {"--lines", "index"},
                                                           {"--field", "index query"},
                                                           {"--commit-every", "index update"},
                                                           {"--file", "query"},
                                                           {"--top-k", "query"},
                                                           {"--no-highlight", "query"},
                                                           {"--model", "index update query"},
                                                           {"--batch", "index update query"}};
  for (const auto& [option, actions] : kUses) {
    if (!options.given(option)) continue;
    if ((" " + std::string(actions) + " ").find(" " + options.action + " ") != std::string::npos) {
      continue;
    }
    refuse(fmt::format("{}: {} is for heed search {}", options.action, option, actions));
  }
  const bool takes =
      options.action == "index" || options.action == "query" || options.action == "remove";
  if (!takes && !options.arguments.empty()) {
    refuse(fmt::format("{}: {} is one argument too many", options.action,
                       in_quotes(options.arguments.front())));
  }
  if (takes && options.action != "query" && options.arguments.empty()) {
    refuse(options.action + ": needed files or folders, found none");
  }
}

std::vector<std::string> roots_of(const Options& options) {
  std::vector<std::string> roots;
  for (const std::string& argument : options.arguments) roots.push_back(source_path(argument));
  return roots;
}

/// The model that the user named, or none: then the index's own.
std::string named_model(const Context& context, const Options& options) {
  return options.given("--model") ? context.model : "";
}

void check_settings(const IndexSettings& made, const Options& options) {
  const auto differs = [](const char* name, const auto& is, const auto& wanted) {
    refuse(
        fmt::format("index: the index was made with {} {}, not {}; that cannot be changed: make "
                    "another index",
                    name, is, wanted));
  };
  const ChunkWish& wish = options.chunks;
  if (options.given("--chunk-tokens") && wish.tokens != made.chunks.tokens) {
    differs("--chunk-tokens", made.chunks.tokens, wish.tokens);
  }
  if (options.given("--overlap") && wish.overlap != made.chunks.overlap) {
    differs("--overlap", made.chunks.overlap, wish.overlap);
  }
  if (options.given("--field") && options.field != made.field) {
    differs("--field", printable(made.field), printable(options.field));
  }
  if (options.lines && !made.lines)
    refuse("index: the index was made without --lines; make another index");
}

void show(const Context& context, const Options& options, const IndexingReport& report,
          const Manifest& manifest) {
  if (report.cut > 0) {
    log(LogLevel::warning, fmt::format("the model reads less than the whole of {}; what is behind "
                                       "does not count: index with fewer --chunk-tokens",
                                       counted(report.cut, "passage")));
  }
  if (report.other_bytes > 1) {
    log(LogLevel::warning,
        fmt::format("{} files have bytes that are no UTF-8", report.other_bytes));
  }
  if (!context.json) {
    print(fmt::format(
        "{} added, {} changed, {} as they were, {} gone, {} no texts{}; {} embedded\n"
        "{} now holds {} of {}\n",
        counted(report.added, "file"), report.changed, report.unchanged, report.removed,
        report.no_text, report.unread > 0 ? fmt::format(", {} not read", report.unread) : "",
        counted(report.passages, "passage"), printable(options.index),
        counted(manifest.passages(), "passage"), counted(std::ssize(manifest.documents), "file")));
    return;
  }
  OutJson line = {{"index", options.index}, {"added", report.added}};
  line["changed"] = report.changed;
  line["unchanged"] = report.unchanged;
  line["removed"] = report.removed;
  line["no_text"] = report.no_text;
  line["unread"] = report.unread;
  line["embedded"] = report.passages;
  line["passages"] = manifest.passages();
  line["files"] = static_cast<int64_t>(manifest.documents.size());
  print_json(line);
}

void update(const Context& context, const Options& options) {
  std::optional<IndexWriter> writer;
  std::optional<Embedder> embedder;
  if (options.action == "update" || has_manifest(options.index)) {
    writer.emplace(options.index);
    check_settings(writer->manifest().settings, options);
    embedder = load_index_embedder(writer->manifest().settings, named_model(context, options));
  } else {
    for (const std::string& path : options.arguments) {
      if (!is_there(path)) {
        throw Error(ErrorCode::not_found, "search: there is no file or folder " + path);
      }
    }
    embedder = load_index_embedder(context.model);
    IndexSettings settings = index_settings(context.model, *embedder, options.chunks);
    settings.lines = options.lines;
    settings.field = options.field;
    writer.emplace(options.index, settings);
  }
  IndexingReport report;
  {
    ProgressBar bar(context, "indexing", "bytes");
    report = writer->update(
        roots_of(options), *embedder,
        {.batch = context.batch, .commit_rows = options.commit_rows, .progress = bar.callback()});
  }
  show(context, options, report, writer->manifest());
}

void remove(const Context& context, const Options& options) {
  IndexWriter writer(options.index);
  const int64_t files = writer.remove(roots_of(options));
  if (context.json) {
    print_json({{"index", options.index}, {"removed", files}});
  } else {
    print(fmt::format("{} removed from {}\n", counted(files, "file"), printable(options.index)));
  }
}

/// What an index's files hold beside what its manifest counts.
struct Holdings {
  int64_t bytes = 0;
  int64_t gone = 0;        // rows of passages that were removed
  int64_t unfinished = 0;  // files
};

Holdings holdings_of(const Manifest& manifest) {
  Holdings held{.gone = -manifest.passages()};
  for (const SegmentFacts& segment : manifest.segments) {
    held.bytes += segment.bytes;
    held.gone += segment.rows;
  }
  for (const Document& one : manifest.documents) held.unfinished += one.complete() ? 0 : 1;
  return held;
}

OutJson info_json(const std::string& index, const Manifest& manifest) {
  const IndexSettings& settings = manifest.settings;
  const Holdings held = holdings_of(manifest);
  OutJson line = {{"index", index}, {"model", settings.model}};
  line["fingerprint"] = settings.fingerprint;
  line["width"] = settings.width;
  line["chunk_tokens"] = settings.chunks.tokens;
  line["overlap"] = settings.chunks.overlap;
  line["lines"] = settings.lines;
  line["field"] = settings.field;
  line["sources"] = manifest.sources;
  line["files"] = static_cast<int64_t>(manifest.documents.size());
  line["unfinished"] = held.unfinished;
  line["passages"] = manifest.passages();
  line["removed_rows"] = held.gone;
  line["segments"] = static_cast<int64_t>(manifest.segments.size());
  line["bytes"] = held.bytes;
  return line;
}

void print_info(const Manifest& manifest) {
  const IndexSettings& settings = manifest.settings;
  const Holdings held = holdings_of(manifest);
  print(fmt::format("model     {} ({}), vectors of {} numbers\n", printable(settings.model),
                    settings.fingerprint, settings.width));
  print(fmt::format("passages  {} of {}{}; at most {} tokens, {} of them shared with the next\n",
                    manifest.passages(), counted(std::ssize(manifest.documents), "file"),
                    held.unfinished > 0
                        ? fmt::format(" ({} not finished: heed search update)", held.unfinished)
                        : "",
                    settings.chunks.tokens, settings.chunks.overlap));
  print(fmt::format("segments  {} ({}), {} of what is gone\n", manifest.segments.size(),
                    human_bytes(held.bytes), counted(held.gone, "row")));
  for (const std::string& source : manifest.sources) print("source    " + printable(source) + "\n");
}

void info(const Context& context, const Options& options, bool check) {
  const SearchIndex index = SearchIndex::open(options.index);
  if (check) index.check();
  if (context.json) {
    OutJson line = info_json(options.index, index.manifest());
    if (check) line["intact"] = true;
    return print_json(line);
  }
  print_info(index.manifest());
  if (check) print("intact    every byte was read\n");
}

void query(const Context& context, const Options& options) {
  TextInputs inputs{.texts = options.arguments, .file = options.file};
  if (options.given("--field")) inputs.field = options.field;
  TextSource source(inputs);
  const SearchIndex index = SearchIndex::open(options.index);
  const Embedder embedder =
      load_index_embedder(index.manifest().settings, named_model(context, options));
  const auto width = static_cast<size_t>(embedder.width());
  HitPrinter printer(context);
  const auto show = [&](const std::string& text, std::span<const float> vector) {
    const std::vector<SearchHit> hits = index.find(vector, options.top);
    std::vector<std::vector<Span>> shown(hits.size());
    for (size_t h = 0; h < hits.size() && !options.plain; ++h) {
      shown[h] = words_to_show(words_near(embedder, hits[h].text, vector));
    }
    clear_progress();
    printer.print(text, hits, shown);
  };
  RunNotes notes;
  in_parts(context, "searching", source,
           [&](std::span<const std::string> texts, const Progress& progress) {
             const Embeddings embeddings = embedder(texts, {.batch = context.batch,
                                                            .progress = progress,
                                                            .prompt = embedder.query_prompt(),
                                                            .notes = &notes});
             const auto vectors = embeddings.vectors.span<float>();
             for (size_t i = 0; i < texts.size(); ++i) {
               check_cancelled();
               show(texts[i], vectors.subspan(i * width, width));
             }
           });
  notes.finish("search query");
}

void search(const Context& context, const Options& options) {
  check_options(options);
  if (options.action == "index" || options.action == "update") {
    update(context, options);
  } else if (options.action == "query") {
    query(context, options);
  } else if (options.action == "remove") {
    remove(context, options);
  } else if (options.action == "compact") {
    IndexWriter(options.index).compact();
    info(context, options, false);
  } else {
    info(context, options, options.action == "check");
  }
}

void add_arguments(CLI::App& command, Options& options) {
  command
      .add_option("ACTION", options.action,
                  "index reads files and folders into INDEX, which it makes or adds to; update "
                  "reads again what changed since; query finds passages; remove forgets files; "
                  "info tells what there is; check reads every byte; compact drops what is gone.")
      ->required()
      ->check(CLI::IsMember({"index", "update", "query", "remove", "info", "check", "compact"}));
  command.add_option("INDEX", options.index, "The index's folder.")->required();
  command
      .add_option(
          "ARGUMENT",
          [&options](const CLI::results_t& values) {  // as they are: queries may hold anything
            options.arguments = values;
            return true;
          },
          "Files and folders (index, remove) or texts (query).")
      ->expected(CLI::detail::expected_max_vector_size)
      ->default_str("");
}

void add_options(CLI::App& command, Options& options) {
  const auto number = whole_number(1, uint64_t{1} << 40);
  command
      .add_option("--chunk-tokens", options.chunks.tokens,
                  "Cut files into passages of at most N tokens (128 without it).")
      ->type_name("N")
      ->default_str("")
      ->check(number);
  command
      .add_option("--overlap", options.chunks.overlap,
                  "Sentences of at most N tokens end a passage and begin the next (a quarter of "
                  "--chunk-tokens without it).")
      ->type_name("N")
      ->default_str("")
      ->check(whole_number(0, uint64_t{1} << 40));
  command.add_flag("--lines", options.lines, "Take each line of a file for a text of its own.");
  command.add_option("--field", options.field, "Which field of a .jsonl or .csv file is the text.")
      ->type_name("NAME");
  command
      .add_option("--commit-every", options.commit_rows,
                  "Put passages in the index after N of them, or half a minute.")
      ->type_name("N")
      ->check(number);
  command
      .add_option(
          "--file", options.file,
          "Read queries from F: one a line, or the field of each .jsonl object or .csv row.")
      ->type_name("F");
  command.add_option("--top-k", options.top, "Print the N nearest passages.")
      ->type_name("N")
      ->check(number);
  command.add_flag("--no-highlight", options.plain, "Do not look for the words that are nearest.");
}

}  // namespace

void add_search(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "search",
       .summary = "Find passages of your files by what they mean.",
       .details =
           "Files are cut into passages at sentences, and each one's vector is kept in the folder "
           "INDEX. Answers are exact: the same as if the query were compared with every passage. "
           "An interrupted or killed run loses nothing that was in the index.",
       .example = "heed search query notes.index \"how to bake bread\""},
      [&context, options] { search(context, *options); });
  options->command = &command;
  add_arguments(command, *options);
  add_options(command, *options);
  add_model_option(command, context);
  add_batch_option(command, context);
}

}  // namespace heed::cli
