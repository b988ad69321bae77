// heed score: how likely a language model finds texts.

#include "heed/generate/score.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/dtype_option.h"
#include "cli/id_rows.h"
#include "cli/json_out.h"
#include "cli/language_options.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "heed/base/error.h"
#include "heed/generate/generator.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string ids;
  bool whole = false;
  std::vector<std::string> sources, targets;
  std::string source_ids, target_ids;
  LanguageArguments languages;
  LoadArguments load;
  std::optional<int64_t> context, stride;
};

/// A text, or the ids of one.
struct Scored {
  std::string text;
  std::vector<int32_t> ids;
  bool is_text = true;
};

std::vector<Scored> read_inputs(const Options& options) {
  std::vector<Scored> all;
  if (!options.ids.empty()) {
    if (options.inputs.given() || options.whole) {
      throw Error(ErrorCode::invalid_argument, "give texts or --ids, not both");
    }
    for (auto& row : read_id_rows(options.ids)) all.push_back({"", std::move(row), false});
  } else if (options.whole) {
    all.push_back({read_whole(options.inputs, "score"), {}});
  } else {
    for (std::string& text : read_texts(options.inputs)) all.push_back({std::move(text), {}});
  }
  return all;
}

/// The ids of every text, all of them before the first is scored: one without a token is refused.
void encode_all(std::vector<Scored>& inputs, const TextGenerator& generator) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].is_text) inputs[i].ids = generator.encode(inputs[i].text);
    if (!inputs[i].ids.empty()) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("score: needed a token or more of each text, found none in text {} of "
                            "{}; leave such texts (empty lines) out",
                            i + 1, inputs.size()));
  }
}

OutJson logprobs_json(const TextScore& score) {
  OutJson all = OutJson::array();
  for (const float logprob : score.logprobs) {
    all.push_back(std::isnan(logprob) ? OutJson(nullptr) : OutJson(logprob));
  }
  return all;
}

constexpr const char* kHeading = "perplexity        ln p  tokens\n";

/// "  23.41   -38.2      12  The text": perplexity, log-probability, tokens.
std::string line(double perplexity, double sum, int64_t tokens, const std::string& text, int width,
                 bool unicode) {
  const std::string numbers =
      tokens == 0 ? fmt::format("{:>10} {:>11} {:>7}", "-", "-", 0)
                  : fmt::format("{:>10.4g} {:>11.2f} {:>7}", perplexity, sum, tokens);
  return shorten(numbers + "  " + clean_label(text), width, unicode) + "\n";
}

std::vector<std::vector<int32_t>> side_ids(const std::string& file,
                                           const std::vector<std::string>& texts,
                                           const Translator& translator, bool is_target) {
  if (!file.empty()) return read_id_rows(file);
  std::vector<std::vector<int32_t>> rows;
  for (const std::string& text : texts) {
    rows.push_back(is_target ? translator.encode_target(text) : translator.encode(text));
  }
  return rows;
}

/// Both sides of every pair, before the first is scored; a target has the room that a source has.
void check_pairs(const Translator& translator, const std::vector<std::vector<int32_t>>& sources,
                 const std::vector<std::vector<int32_t>>& targets) {
  if (sources.size() != targets.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("score: needed a target for each source, found {} and {}",
                            sources.size(), targets.size()));
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string place = fmt::format("{} of {}", i + 1, sources.size());
    translator.check_source(sources[i], "score: source " + place);
    translator.check_source(targets[i], "score: target " + place);
  }
}

/// How likely an encoder-decoder makes each target of its source.
void run_pairs(const Context& context, const Options& options) {
  const bool by_ids = !options.source_ids.empty() || !options.target_ids.empty();
  if (by_ids == !(options.sources.empty() && options.targets.empty()) || !options.ids.empty() ||
      options.inputs.given() || options.whole) {
    throw Error(ErrorCode::invalid_argument,
                "score: give --source and --target, or --source-ids and --target-ids, and no other "
                "texts beside them");
  }
  if (options.context || options.stride) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("score: {} is of texts alone, which are read in windows; a target is "
                            "read as a whole: leave it out",
                            options.context ? "--context" : "--stride"));
  }
  const Translator translator = in_languages(
      Translator::load(find_model(context.model), load_options(options.load)), options.languages);
  const auto sources = side_ids(options.source_ids, options.sources, translator, false);
  const auto targets = side_ids(options.target_ids, options.targets, translator, true);
  check_pairs(translator, sources, targets);
  const TerminalStyle style = terminal_style(context.no_color);
  for (size_t i = 0; i < sources.size(); ++i) {
    const TextScore score = score_target(translator.model(), sources[i],
                                         *translator.special().decoder_start, targets[i]);
    if (context.json) {
      print_json({{"source", by_ids ? OutJson(nullptr) : OutJson(options.sources[i])},
                  {"target", by_ids ? OutJson(nullptr) : OutJson(options.targets[i])},
                  {"source_ids", sources[i]},
                  {"ids", targets[i]},
                  {"logprobs", logprobs_json(score)},
                  {"logprob", score.sum},
                  {"perplexity", score.perplexity()}});
    } else {
      if (i == 0) print(kHeading);
      print(line(score.perplexity(), score.sum, score.tokens, by_ids ? "" : options.targets[i],
                 style.width, style.unicode));
    }
    flush_output();
  }
}

void run(const Context& context, const Options& options) {
  if (!options.sources.empty() || !options.targets.empty() || !options.source_ids.empty() ||
      !options.target_ids.empty()) {
    return run_pairs(context, options);
  }
  if (!options.languages.source.empty() || !options.languages.target.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "score: --src-lang and --tgt-lang are of --source and --target; leave them out");
  }
  std::vector<Scored> inputs = read_inputs(options);
  const TextGenerator generator =
      TextGenerator::load(find_model(context.model), load_options(options.load));
  const TerminalStyle style = terminal_style(context.no_color);
  encode_all(inputs, generator);
  TextScore all;
  for (const Scored& one : inputs) {
    const ScoreOptions usual;
    ScoreOptions how{.context = options.context.value_or(usual.context),
                     .stride = options.stride.value_or(usual.stride)};
    ProgressBar bar(context, "scoring", "tokens");
    how.progress = bar.callback();
    const TextScore score = score_text(generator.model(), one.ids, how);
    clear_progress();
    all.sum += score.sum;
    all.tokens += score.tokens;
    if (context.json) {
      print_json({{"text", one.is_text ? OutJson(one.text) : OutJson(nullptr)},
                  {"ids", one.ids},
                  {"logprobs", logprobs_json(score)},
                  {"logprob", score.sum},
                  {"perplexity", score.perplexity()}});
    } else {
      if (&one == &inputs.front()) print(kHeading);
      print(
          line(score.perplexity(), score.sum, score.tokens, one.text, style.width, style.unicode));
    }
    flush_output();
  }
  if (!context.json && inputs.size() > 1) {
    print(line(all.perplexity(), all.sum, all.tokens, "(all of them)", style.width, style.unicode));
  }
}

}  // namespace

void add_score(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "score",
       .summary = "Tell how likely a language model finds texts.",
       .details = "Prints each text's perplexity, e to the power of the mean of -ln p over its "
                  "tokens (the first is not counted: it stands after none), the sum of ln p, and "
                  "how many tokens that is over. A long text is read in windows that overlap. "
                  "With --source and --target: how likely an encoder-decoder makes the target of "
                  "the source, every token of it counted, the end too.",
       .example = "heed score \"The cat sat on the mat.\" \"Mat the on sat cat the.\" --model "
                  "out/shakespeare"},
      [&context, options] { run(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context, "A language model or encoder-decoder");
  add_load_options(command, options->load);
  command
      .add_option("--ids", options->ids,
                  "Read token ids from F, a JSON list of lists, instead of texts.")
      ->type_name("F.json");
  add_repeated_option(command, "--source", options->sources,
                      "A source text for an encoder-decoder; may be given several times.")
      ->type_name("TEXT");
  add_repeated_option(command, "--target", options->targets,
                      "The text that is to be made of it; as many as there are sources.")
      ->type_name("TEXT");
  command
      .add_option("--source-ids", options->source_ids,
                  "Read the sources' token ids from F, a JSON list of lists.")
      ->type_name("F.json");
  command
      .add_option("--target-ids", options->target_ids,
                  "Read the targets' token ids, each with its end token.")
      ->type_name("F.json");
  add_language_options(command, options->languages);
  add_whole_option(command, options->whole);
  command
      .add_option("--context", options->context,
                  "Read N tokens at once, at most as many as the model has positions.")
      ->type_name("N")
      ->default_str(std::to_string(ScoreOptions().context));
  command
      .add_option("--stride", options->stride,
                  "Of a longer text, score N more tokens in each window; 0 is half the context.")
      ->type_name("N")
      ->default_str(std::to_string(ScoreOptions().stride));
}

}  // namespace heed::cli
