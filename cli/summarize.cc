// heed summarize: what texts say, in fewer words.

#include "heed/tasks/summarize.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/text_to_text.h"
#include "heed/base/cancel.h"
#include "heed/base/stopwatch.h"
#include "heed/io/hub.h"
#include "heed/text/characters.h"

namespace heed::cli {
namespace {

struct Options {
  TextToTextArguments shared;
  std::optional<int64_t> window;
  int64_t overlap = 0;
  bool combine = false;
  bool whole = false;
};

OutJson parts_json(const Summary& summary) {
  OutJson parts = OutJson::array();
  for (const SummaryPart& part : summary.parts) {
    parts.push_back({{"start", part.characters.start},
                     {"end", part.characters.end},
                     {"byte_start", part.bytes.start},
                     {"byte_end", part.bytes.end},
                     {"output", part.written.text},
                     {"score", part.written.score},
                     {"finish", to_string(part.written.finish)}});
  }
  return parts;
}

OutJson summary_json(const std::string& text, const Summary& summary, double load_ms) {
  OutJson out = text_to_text_json(text, summary.written, load_ms);
  if (summary.parts.size() == 1) return out;
  out["parts"] = parts_json(summary);
  out["passes"] = summary.passes;
  return out;
}

/// Links of all parts, with places in the whole text and the whole output.
AlignedText align_parts(Aligner& aligner, const std::string& prefix, const std::string& text,
                        const Summary& summary) {
  AlignedText aligned;
  PartStart made;
  for (const SummaryPart& part : summary.parts) {
    const std::string of = text.substr(static_cast<size_t>(part.bytes.start),
                                       static_cast<size_t>(part.bytes.end - part.bytes.start));
    const std::string& output = part.written.text;
    aligner.add(aligned, prefix, of, part.written, {part.characters.start, part.bytes.start}, made);
    if (output.empty()) continue;
    made.characters += count_characters(output) + 1;  // and the space between
    made.bytes += std::ssize(output) + 1;
  }
  return aligned;
}

void run(const Context& context, const Options& options) {
  TextSource source =
      options.whole
          ? TextSource(std::vector<std::string>{read_whole(options.shared.inputs, "summarize")})
          : TextSource(options.shared.inputs);
  const Stopwatch loading;
  const Summarizer summarizer =
      Summarizer::load(find_model(context.model), load_options(options.shared.load));
  const double load_ms = loading.milliseconds();
  SummarizeOptions choices{
      .generate = text_to_text_options(context, options.shared, summarizer.translator()),
      .prefix = options.shared.prefix.value_or(summarizer.prefix()),
      .window = options.window,
      .overlap = options.overlap,
      .combine = options.combine,
      .batch = context.batch};
  Aligner aligner(context, options.shared.align, summarizer.translator());
  const auto show = [&](const std::string& text, const Summary& summary) {
    AlignedText aligned = align_parts(aligner, choices.prefix, text, summary);
    clear_progress();
    if (context.json) {
      OutJson out = summary_json(text, summary, load_ms);
      if (aligner.asked()) out["alignment"] = std::move(aligned.links);
      print_json(out);
    } else {
      print(summary.written.text + "\n" + aligned.lines);
    }
  };
  in_turn(context, "summarizing", source, 1,
          [&](std::span<const std::string> next, const Progress& progress) {
            choices.progress = progress;
            const Summary summary = summarizer(next[0], choices);
            check_cancelled();
            show(next[0], summary);
          });
  aligner.save();
}

}  // namespace

void add_summarize(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "summarize",
       .summary = "Say what texts say in fewer words, with an encoder-decoder.",
       .details = "Prints a line for each text. A text that is longer than a window is cut where "
                  "sentences end, into parts of about one length, and the parts' summaries follow "
                  "each other.",
       .example = "heed summarize --file article.txt --whole --model facebook/bart-large-cnn"},
      [&context, options] { run(context, *options); });
  add_text_to_text_options(command, context, options->shared, Summarizer::kNewTokens);
  add_whole_option(command, options->whole);
  constexpr const char* kGroup = "Long texts";
  command
      .add_option("--window", options->window,
                  "Cut texts of more than N tokens, prefix and special ones included (default: "
                  "what the model reads; 512 where it has no bound).")
      ->type_name("N")
      ->check(whole_number(1, uint64_t{1} << 40))
      ->group(kGroup);
  command
      .add_option("--overlap", options->overlap,
                  "Let a part begin with up to N tokens of the one before.")
      ->type_name("N")
      ->group(kGroup);
  command
      .add_flag("--combine", options->combine,
                "Summarise the parts' summaries together, again and again until they are one "
                "part.")
      ->group(kGroup)
      ->excludes(command.get_option("--align"));
}

}  // namespace heed::cli
