#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/look_json.h"
#include "cli/look_summary.h"
#include "cli/picture_options.h"
#include "cli/progress.h"
#include "cli/texts.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"
#include "heed/lens/look_picture.h"
#include "heed/models/registry.h"

namespace heed::cli {
namespace {

struct LookArguments {
  TextInputs inputs;
  std::string word;
  std::string layer;  // empty: the last
  std::string head;   // empty: the mean
  PictureOptions picture;
  bool sink = false;
  bool pair = false;
  bool pieces = false;
  bool truncate = false;
};

Pick parse_pick(const std::string& text, const char* option, int64_t count) {
  if (text == "mean") return {};
  if (text == "all") return Pick::all();
  const bool digits = !text.empty() && text.size() < 10 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoll(text) >= count) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("look: {} needed 0 to {}, mean or all, found '{}'", option, count - 1, text));
  }
  return Pick::one(std::stoll(text));
}

// What the maps show where --layer or --head were not given; JSON gives everything.
LookView choose_view(const LookArguments& arguments, const EncoderFacts& facts, bool json) {
  LookView view;
  view.sinks = arguments.sink;
  if (!arguments.head.empty()) {
    view.head = parse_pick(arguments.head, "--head", facts.heads);
  }
  const bool every_layer = json || (!arguments.head.empty() && view.head.kind != Pick::Kind::mean);
  view.layer = !arguments.layer.empty() ? parse_pick(arguments.layer, "--layer", facts.layers)
               : every_layer            ? Pick::all()
                                        : Pick::one(facts.layers - 1);
  return view;
}

// "all-MiniLM-L6-v2" of a name with its owner or of a folder.
std::string short_name(std::string name) {
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  const size_t slash = name.rfind('/');
  return clean_label(
      slash == std::string::npos || slash + 1 == name.size() ? name : name.substr(slash + 1));
}

std::vector<std::string> word_names(const Look& look) {
  std::vector<std::string> names;
  for (const Word& word : look.words) {
    if (!word.special) names.push_back(word.name);
  }
  if (names.size() > 40) {
    names.resize(40);
    names.emplace_back("...");
  }
  return names;
}

std::vector<int64_t> occurrences_of(const WordChoice& choice, const Look& look) {
  const std::vector<int64_t> found = find_words(look.words, choice.name);
  const auto wanted = static_cast<size_t>(choice.occurrence.value_or(1));
  if (found.size() < wanted) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "look: --word needed '{}'{} in the text \"{}\", found {} of them; its words: {}",
            choice.name, choice.occurrence ? fmt::format(" {} times", wanted) : "",
            shorten(clean_label(look.text), 60), found.size(), fmt::join(word_names(look), " ")));
  }
  return found;
}

class LookCommand {
 public:
  LookCommand(const Context& context, const LookArguments& arguments)
      : context_(context), arguments_(arguments) {}

  void run() {
    const std::vector<std::string> texts = read_texts(arguments_.inputs);
    if (arguments_.pair && texts.size() % 2 != 0) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("look: --pair needed an even number of texts, found {}", texts.size()));
    }
    if (!arguments_.picture.save.empty()) check_picture_ending(arguments_.picture.save);
    const auto folder = find_model(context_.model);
    model_ = load_encoder(folder);
    tokenizer_ = Tokenizer::load(folder);
    view_ = choose_view(arguments_, model_->facts(), context_.json);
    view_.model = short_name(context_.model);
    look_at_all(texts);
    if (context_.json) {
      if (occurrences_.size() > 1) print_json(compare_json(looks_, occurrences_));
    } else {
      print_summary();
    }
    if (!arguments_.picture.save.empty()) save();
  }

 private:
  void look_at_all(const std::vector<std::string>& texts) {
    const size_t step = arguments_.pair ? 2 : 1;
    // JSON of a long file streams: looks are kept only for what comes after the last one.
    const bool keep =
        !context_.json || !arguments_.word.empty() || !arguments_.picture.save.empty();
    ProgressBar bar(context_, "looking", "texts");
    for (size_t i = 0; i < texts.size(); i += step) {
      check_cancelled();
      LookOptions options{.pieces = arguments_.pieces, .truncate = arguments_.truncate};
      if (arguments_.pair) options.second = texts[i + 1];
      Look one = look(*model_, *tokenizer_, texts[i], options);
      const std::optional<Occurrence> chosen = choose(one, i / step, texts.size() == step);
      if (context_.json) print_json(look_json(one, context_.model, view_, chosen));
      if (keep) looks_.push_back(std::move(one));
      bar.update(static_cast<int64_t>(i + step), static_cast<int64_t>(texts.size()));
    }
  }

  // The word asked for; in a single text all of them are compared.
  std::optional<Occurrence> choose(const Look& look, size_t index, bool only_text) {
    if (arguments_.word.empty()) return std::nullopt;
    WordChoice choice = parse_word_choice(arguments_.word);
    if (!find_words(look.words, arguments_.word).empty()) choice = {arguments_.word, std::nullopt};
    const std::vector<int64_t> found = occurrences_of(choice, look);
    const Occurrence chosen{index, found[static_cast<size_t>(choice.occurrence.value_or(1)) - 1]};
    chosen_.push_back(chosen);
    same_.push_back(found.size());
    view_.marked.emplace_back(chosen.word);
    if (only_text) {
      for (const int64_t word : found) occurrences_.push_back({index, word});
    } else {
      occurrences_.push_back(chosen);
    }
    return chosen;
  }

  void print_summary() const {
    const TerminalStyle style = style_for_output(arguments_.picture, context_);
    const EncoderFacts& facts = model_->facts();
    const std::string head = fmt::format("{}: {} layers x {} heads, counted from 0", view_.model,
                                         facts.layers, facts.heads);
    for (const std::string& line : wrap(head, style.width, display_width)) print(line + "\n");
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
    const bool page = arguments_.picture.save.ends_with(".html");
    if (page && arguments_.layer.empty() && arguments_.head.empty()) {
      view.layer = Pick::all();
      view.head = Pick::all();
    }
    return view;
  }

  void save() const { save_if_asked(arguments_.picture, look_picture(looks_, view_for_file())); }

  const Context& context_;
  const LookArguments& arguments_;
  std::shared_ptr<const Encoder> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  LookView view_;
  std::vector<Look> looks_;
  std::vector<Occurrence> chosen_;       // of each text, if a word was asked for
  std::vector<size_t> same_;             // how many such words its text has
  std::vector<Occurrence> occurrences_;  // whose vectors are compared
};

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
      [&context, arguments] { LookCommand(context, *arguments).run(); });
  add_text_inputs(command, arguments->inputs);
  add_model_option(command, context);
  command.add_option("--word", arguments->word,
                     "Follow this word: WORD is its first place in each text, WORD:2 its second.");
  command.add_option("--layer", arguments->layer,
                     "Draw this layer, mean or all (default: the last; all with --head).");
  command.add_option("--head", arguments->head, "Draw this head, mean or all (default: mean).");
  add_picture_options(command, arguments->picture,
                      "An .html page holds every layer and head unless some were chosen.");
  command.add_flag("--sink", arguments->sink,
                   "Keep [CLS], [SEP] and the first token in everything.");
  command.add_flag("--pair", arguments->pair, "Read texts two by two, as sentence pairs.");
  command.add_flag("--pieces", arguments->pieces, "Show the vocabulary's pieces, not whole words.");
  command.add_flag("--truncate", arguments->truncate,
                   "Cut texts that are longer than the model reads.");
}

}  // namespace heed::cli
