#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/look_json.h"
#include "cli/look_session.h"
#include "cli/look_summary.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"
#include "heed/lens/look_arrays.h"
#include "heed/lens/look_picture.h"
#include "heed/models/registry.h"

namespace heed::cli {
namespace {

// What the maps show where --layer or --head were not given; JSON gives everything.
LookView choose_view(const LookArguments& arguments, const EncoderFacts& facts, bool json) {
  LookView view;
  view.sinks = arguments.sink;
  if (!arguments.head.empty()) {
    view.head = parse_pick(arguments.head, "--head", facts.heads);
  }
  view.layer = shown_layers(arguments, view.head, facts.layers,
                            json ? Pick::all() : Pick::one(facts.layers - 1));
  return view;
}

class LookCommand {
 public:
  explicit LookCommand(LookSession& session)
      : session_(session), context_(session.context), arguments_(session.arguments) {}

  void run() {
    view_ = choose_view(arguments_, session_.model->facts(), context_.json);
    view_.model = session_.model_name;
    look_at_all();
    if (context_.json) {
      if (occurrences_.size() > 1) print_json(compare_json(looks_, occurrences_));
    } else {
      print_summary();
    }
    if (!arguments_.picture.save.empty()) save();
  }

 private:
  void look_at_all() {
    // JSON of a long file streams: looks are kept only for what comes after the last one.
    const bool keep =
        !context_.json || !arguments_.word.empty() || !arguments_.picture.save.empty();
    const bool one = session_.count() == 1;
    ProgressBar bar(context_, "looking", one ? "blocks" : "texts");
    for (size_t i = 0; i < session_.count(); ++i) {
      check_cancelled();
      LookOptions options;
      if (one) options.progress = bar.callback();
      Look seen = session_.look_at(i, options);
      const std::optional<Occurrence> chosen = choose(seen, i, one);
      if (context_.json) print_json(look_json(seen, context_.model, view_, chosen));
      if (keep) looks_.push_back(std::move(seen));
      if (!one) bar.update(static_cast<int64_t>(i + 1), static_cast<int64_t>(session_.count()));
    }
  }

  // The word asked for; in a single text all of them are compared.
  std::optional<Occurrence> choose(const Look& look, size_t index, bool only_text) {
    if (arguments_.word.empty()) return std::nullopt;
    size_t same = 0;
    const Occurrence chosen{index, session_.chosen_word(look, &same)};
    chosen_.push_back(chosen);
    same_.push_back(same);
    view_.marked.emplace_back(chosen.word);
    if (only_text) {
      const std::string& name = look.words[static_cast<size_t>(chosen.word)].name;
      for (const int64_t word : find_words(look.words, name)) occurrences_.push_back({index, word});
    } else {
      occurrences_.push_back(chosen);
    }
    return chosen;
  }

  void print_summary() const {
    const TerminalStyle style = style_for_output(arguments_.picture, context_);
    const EncoderFacts& facts = session_.model->facts();
    const std::string head =
        fmt::format("{}: {} x {}, counted from 0", view_.model, counted(facts.layers, "layer"),
                    counted(facts.heads, "head"));
    for (const std::string& line : wrap(head, style.width, style.unicode)) print(line + "\n");
    print("\n");
    for (size_t i = 0; i < looks_.size(); ++i) {
      const auto chosen = chosen_.empty() ? std::nullopt : std::optional<Occurrence>(chosen_[i]);
      print(summarize(looks_[i], looks_.size() > 1 ? i + 1 : 0, chosen, chosen ? same_[i] : 0,
                      arguments_.sink, style) +
            "\n");
    }
    if (occurrences_.size() > 1) print(summarize_distance(looks_, occurrences_, style) + "\n");
    Picture picture = look_picture(looks_, view_);
    picture.caption.clear();  // the summary above has said it
    print(draw_terminal(picture, style));
  }

  // A page has room for everything: without a choice it holds every layer and head.
  LookView view_for_file() const {
    LookView view = view_;
    const bool page = ending_of(arguments_.picture.save) == ".html";
    if (page && arguments_.layer.empty() && arguments_.head.empty()) {
      view.layer = Pick::all();
      view.head = Pick::all();
    }
    return view;
  }

  void save() const {
    const Picture picture = look_picture(looks_, view_for_file());
    save_if_asked(arguments_.picture, picture, look_arrays(looks_));
  }

  LookSession& session_;
  const Context& context_;
  const LookArguments& arguments_;
  LookView view_;
  std::vector<Look> looks_;
  std::vector<Occurrence> chosen_;       // of each text, if a word was asked for
  std::vector<size_t> same_;             // how many such words its text has
  std::vector<Occurrence> occurrences_;  // whose vectors are compared
};

void run_look(const Context& context, const LookArguments& arguments) {
  check_choices(arguments);  // told before any work, as what follows
  if (!arguments.board.empty()) statistic_of(arguments.board);
  if (!arguments.picture.save.empty()) check_picture_path(arguments.picture.save);
  if (!arguments.roles.empty() && (arguments.inputs.given() || !arguments.targets.empty())) {
    throw Error(ErrorCode::invalid_argument,
                "look: --roles takes its texts from its file alone, found others beside it");
  }
  if (model_kind(find_model(context.model)) == ModelKind::encoder_decoder) {
    return print_pair(context, arguments);
  }
  if (!arguments.targets.empty() || !arguments.attention.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "look: --target and --attention are of encoder-decoders, which " +
                    short_name(context.model) + " is not");
  }
  LookSession session(context, arguments);
  if (!arguments.roles.empty()) {
    print_roles(session);
  } else if (arguments.stats || !arguments.board.empty()) {
    print_stats(session);
  } else if (!print_instead(session)) {
    LookCommand(session).run();
  }
}

void add_more(CLI::App& command, LookArguments& arguments) {
  constexpr const char* kGroup = "In place of the summary";
  CLI::Option* stats = command.add_flag(
      "--stats", arguments.stats,
      "Print every head's role, entropy, distance, weight on sinks and more, over all texts.");
  CLI::Option* board = command
                           .add_option("--board", arguments.board,
                                       "Draw one statistic of --stats, a row a layer, a column a "
                                       "head.")
                           ->type_name("STATISTIC")
                           ->check(not_empty("STATISTIC"));
  CLI::Option* roles =
      command
          .add_option("--roles", arguments.roles,
                      "Rank heads by how they follow labelled pairs of words: a file with the "
                      "columns text, from-word, to-word and relation (and target, with an "
                      "encoder-decoder).")
          ->type_name("PAIRS.csv")
          ->check(not_empty("PAIRS.csv"));
  CLI::Option* compare = command.add_flag(
      "--compare", arguments.compare,
      "Tell how far the heads look to different places in two texts of as many tokens.");
  command
      .add_option("--with", arguments.with,
                  "Compare what this model does with one text instead, head by head.")
      ->type_name("MODEL")
      ->check(not_empty("MODEL"))
      ->needs(compare)
      ->group(kGroup);
  command
      .add_option("--with-head", arguments.with_head,
                  "Compare this head with that of --layer and --head instead, in one text.")
      ->type_name("LAYER.HEAD")
      ->check(not_empty("LAYER.HEAD"))
      ->needs(compare)
      ->excludes("--with")
      ->group(kGroup);
  CLI::Option* show =
      command
          .add_option("--show", arguments.show,
                      "Draw weights; norms, weights times the length of what they move; rollout or "
                      "flow, what reaches a word from the input through all layers (flow needs "
                      "--word).")
          ->type_name("weights|norms|rollout|flow")
          ->check(CLI::IsMember({"weights", "norms", "rollout", "flow"}));
  CLI::Option* lens = command.add_flag(
      "--lens", arguments.lens,
      "Tell what each layer of a language model would say next: after every token the likeliest "
      "one, after --word the likeliest five.");
  for (CLI::Option* option : {stats, board, roles, compare, show, lens}) option->group(kGroup);
  for (CLI::Option* option : {stats, board}) {
    for (CLI::Option* other : {roles, compare, show, lens}) option->excludes(other);
  }
  roles->excludes(compare)->excludes(show)->excludes(lens);
  compare->excludes(show)->excludes(lens);
  show->excludes(lens);
}

void add_pair_options(CLI::App& command, LookArguments& arguments) {
  constexpr const char* kGroup = "With an encoder-decoder";
  add_repeated_option(command, "--target", arguments.targets,
                      "Look at TEXT as what was made of the text, or one for each of several "
                      "(default: what the model makes of it).")
      ->type_name("TEXT")
      ->group(kGroup);
  command
      .add_option("--attention", arguments.attention,
                  "Show where the text's words look at each other, the target's at those before "
                  "them, or the target's at the text's (default).")
      ->type_name("encoder|decoder|cross")
      ->check(CLI::IsMember({"encoder", "decoder", "cross"}))
      ->default_str("")
      ->group(kGroup);
}

}  // namespace

void add_look(CLI::App& root, Context& context) {
  const auto arguments = std::make_shared<LookArguments>();
  CLI::App& command = add_command(
      root, context,
      {.name = "look",
       .summary = "Show where each head of a model looks when it reads a text.",
       .details =
           "Prints where a word looks in each text, the heads that look hardest, how far its "
           "vectors are apart after each layer, and heat maps of words looking at words. Layers "
           "and heads count from 0; \"after layer 0\" is the first of the vectors behind the "
           "embeddings. [CLS], [SEP] and the first token, where heads rest, are named and left out "
           "unless --sink.",
       .example = "heed look \"I sat by the river bank.\" \"I deposited money in the bank.\" "
                  "--word bank"},
      [&context, arguments] { run_look(context, *arguments); });
  add_text_inputs(command, arguments->inputs);
  add_model_option(command, context);
  command
      .add_option("--word", arguments->word,
                  "Follow this word: WORD is its first place in each text, WORD:2 its second.")
      ->type_name("WORD")
      ->check(not_empty("WORD"));
  command
      .add_option("--layer", arguments->layer,
                  "Draw this layer, mean or all (default: the last; all with --head).")
      ->type_name("N|mean|all")
      ->check(not_empty("N|mean|all"));
  command.add_option("--head", arguments->head, "Draw this head, mean or all (default: mean).")
      ->type_name("N|mean|all")
      ->check(not_empty("N|mean|all"));
  add_picture_options(command, arguments->picture,
                      "An .html page holds every layer and head unless some were chosen.");
  command.add_flag("--sink", arguments->sink,
                   "Keep [CLS], [SEP] and the first token in everything.");
  command.add_flag("--pair", arguments->pair, "Read texts two by two, as sentence pairs.");
  command.add_flag("--pieces", arguments->pieces, "Show the vocabulary's pieces, not whole words.");
  command.add_flag("--truncate", arguments->truncate,
                   "Cut texts that are longer than the model reads.");
  add_seed_option(command, context);
  add_pair_options(command, *arguments);
  add_more(command, *arguments);
}

}  // namespace heed::cli
