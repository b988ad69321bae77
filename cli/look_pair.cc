// heed look with an encoder-decoder: a source, what is or was made of it, and where it looked.

#include <fmt/format.h>

#include "cli/align.h"
#include "cli/look_json.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"

namespace heed::cli {
namespace {

[[noreturn]] void refuse(const std::string& option, const char* why) {
  throw Error(ErrorCode::unsupported, fmt::format("look: {} {}", option, why));
}

std::string attention_name(const LookArguments& arguments) {
  return arguments.attention.empty() ? "cross" : arguments.attention;
}

/// The attention that is looked at, by options that it has.
PairAttention chosen_attention(const LookArguments& arguments) {
  const PairAttention which = pair_attention_from_name(attention_name(arguments));
  if (arguments.truncate) refuse("--truncate", "is not there for encoder-decoders");
  if (arguments.lens) {
    if (arguments.attention.empty() || which == PairAttention::decoder)
      return PairAttention::decoder;
    refuse("--attention " + arguments.attention, "goes without --lens, which is of the decoder");
  }
  if (arguments.pair) {
    refuse("--pair", "is not there for encoder-decoders, whose second text is --target");
  }
  const bool through = arguments.show == "rollout" || arguments.show == "flow";
  if (through && which != PairAttention::encoder) {
    refuse(
        "--show " + arguments.show,
        "follows what reaches a word through the layers of one text, and each layer of a decoder "
        "takes from the source too; it is there with --attention encoder");
  }
  return which;
}

/// A source and its target for each text.
class PairTexts : public LookTexts {
 public:
  PairTexts(const Context& context_, const LookArguments& arguments_)
      : PairTexts(context_, arguments_,
                  arguments_.roles.empty() ? read_placed_texts(arguments_.inputs)
                                           : std::vector<PlacedText>{}) {}
  PairTexts(const Context& context_, const LookArguments& arguments_,
            std::vector<PlacedText> sources)
      : LookTexts(context_, arguments_),
        which(chosen_attention(arguments)),
        sources_(std::move(sources)),
        translator_(Translator::load(find_model(context.model))),
        facts_(pair_facts(translator_.model().facts(), which)) {
    if (!arguments.targets.empty() && arguments.targets.size() != sources_.size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("look: needed a --target for each of {}, or none, found {}",
                              counted(std::ssize(sources_), "text"), arguments.targets.size()));
    }
    tokenizer = translator_.tokenizer();
  }

  const EncoderFacts& facts() const override { return facts_; }
  size_t count() const override { return sources_.size(); }
  Look look_at(size_t index, LookOptions options) const override {
    return look_of(pair_of(index), std::move(options));
  }
  Look look_at(const RelatedWords& pair) const override {
    std::vector<int32_t> target;
    if (which != PairAttention::encoder) target = translator_.encode_target(pair.target);
    return look_of(pair_text(translator_, "", pair.text, target, arguments.pieces),
                   {.only_whole = true});
  }
  Look read(size_t index) const override {
    const PairText pair = pair_of(index);
    Look read = read_pair(pair, PairAttention::decoder, arguments.pieces);
    read.source = pair.source;
    return read;
  }
  LogitLens lens(const Look& read, int64_t top, const Progress& progress) const override {
    return logit_lens(translator_.model(), read.source->encoding.ids, read.encoding.ids, top,
                      progress);
  }
  std::unique_ptr<LookTexts> by_model(const Context& other) const override {
    return std::make_unique<PairTexts>(other, arguments, sources_);
  }
  std::optional<std::string> source_of(size_t index) const override {
    if (which == PairAttention::encoder) return std::nullopt;
    return sources_[index].text;
  }

  PairText pair_of(size_t index) const {
    const std::string& source = sources_[index].text;
    translator_.check_source(translator_.encode(source), "look: " + place_of(sources_[index]));
    return pair_text(translator_, "", source, target_of(index), arguments.pieces);
  }
  Look look_of(const PairText& pair, LookOptions options) const {
    options.pieces = arguments.pieces;
    options.states = false;
    Look look = look_pair(translator_.model(), pair, which, options);
    note_long(look, facts_);
    return look;
  }

  const PairAttention which;

 private:
  std::vector<int32_t> target_of(size_t text) const {
    if (!arguments.targets.empty()) return translator_.encode_target(arguments.targets[text]);
    if (which == PairAttention::encoder) return {};
    return translator_(sources_[text].text, translator_.defaults()).ids;
  }

  std::vector<PlacedText> sources_;
  Translator translator_;
  EncoderFacts facts_;
};

class PairCommand {
 public:
  explicit PairCommand(const PairTexts& texts)
      : texts_(texts),
        context_(texts.context),
        arguments_(texts.arguments),
        which_(texts.which),
        facts_(texts.facts()),
        view_(cross_view(facts_, arguments_.layer, arguments_.head)),
        aligned_by_(alignment_choice(view_)) {
    fit_view();
  }

  void run() {
    if (arguments_.stats || !arguments_.board.empty()) return measure();
    look_at_all();
    if (!context_.json) print_summary();
    if (!arguments_.picture.save.empty()) save();
  }

 private:
  /// Maps may show more than words are aligned by.
  void fit_view() {
    Pick usual = view_.layer;
    if (which_ != PairAttention::cross) {
      usual = Pick::one(facts_.layers - 1);
      view_.title = which_ == PairAttention::encoder
                        ? "Where each word looks"
                        : "Where it looked as it wrote on from each word";
    }
    view_.layer = shown_layers(arguments_, view_.head, facts_.layers, usual);
    view_.sinks = arguments_.sink;
    view_.model = texts_.model_name;
  }

  /// take(index, pair, look) of each text.
  template <class F>
  void look_at_all(const F& take) {
    const bool one = texts_.count() == 1;
    ProgressBar bar(context_, "looking", one ? "blocks" : "texts");
    for (size_t i = 0; i < texts_.count(); ++i) {
      check_cancelled();
      LookOptions options;
      if (one) options.progress = bar.callback();
      const PairText pair = texts_.pair_of(i);
      take(i, pair, texts_.look_of(pair, options));
      if (!one) bar.update(static_cast<int64_t>(i + 1), static_cast<int64_t>(texts_.count()));
    }
  }

  void look_at_all() {
    look_at_all([&](size_t i, const PairText& pair, Look look) {
      looks_.push_back(std::move(look));
      if (!arguments_.word.empty()) choose(i);
      if (context_.json) print_json(json_of(i, pair));
    });
  }

  /// --stats and --board, over all texts; every row counts alike.
  void measure() {
    const bool cross = which_ == PairAttention::cross;
    if (!arguments_.board.empty()) statistic_of(arguments_.board, statistic_names(cross));
    const auto count = static_cast<size_t>(facts_.layers * facts_.heads);
    std::vector<HeadTally> tallies(count);
    look_at_all([&](size_t, const PairText&, const Look& look) {
      for (size_t at = 0; at < count; ++at) {
        look.add_to(tallies[at], static_cast<int64_t>(at) / facts_.heads,
                    static_cast<int64_t>(at) % facts_.heads);
      }
    });
    show_stats(context_, arguments_,
               {.table = head_table(facts_.layers, facts_.heads, tallies, tallies),
                .texts = texts_.count(),
                .note = cross ? "cross-attention" : "dupl. and ind. of these texts themselves",
                .cross = cross});
  }

  void choose(size_t text) {
    size_t same = 0;
    chosen_.push_back({text, find_chosen(arguments_.word, looks_[text], &same)});
    same_.push_back(same);
    view_.marked.emplace_back(chosen_.back().word);
  }
  std::optional<Occurrence> chosen(size_t text) const {
    return chosen_.empty() ? std::nullopt : std::optional<Occurrence>(chosen_[text]);
  }

  OutJson json_of(size_t text, const PairText& pair) const {
    LookView every = view_;  // JSON gives everything that was not left out by choice
    if (arguments_.layer.empty()) every.layer = Pick::all();
    OutJson out = look_json(looks_[text], context_.model, every, chosen(text));
    out["attention"] = attention_name(arguments_);
    if (which_ == PairAttention::encoder) return out;
    out["text"] = *texts_.source_of(text);
    out["output"] = looks_[text].text;
    out["ids"] = pair.target.encoding.ids;
    if (which_ == PairAttention::decoder) return out;
    out["source_tokens"] = pair.source.encoding.tokens;
    out["source_words"] = words_json(looks_[text].key_words(), looks_[text].key_sinks());
    out["alignment"] = OutJson::array();
    add_links(out["alignment"], looks_[text], aligned_by_);
    return out;
  }

  void print_summary() const {
    const TerminalStyle style = style_for_output(arguments_.picture, context_);
    const std::string what = attention_name(arguments_);
    print(shorten(fmt::format("{}: {}, {} x {}, counted from 0", view_.model,
                              what == "cross" ? "cross-attention" : what,
                              counted(facts_.layers, "layer"), counted(facts_.heads, "head")),
                  style.width, style.unicode) +
          "\n\n");
    for (size_t i = 0; i < looks_.size(); ++i) {
      print(summarize(looks_[i], looks_.size() > 1 ? i + 1 : 0, chosen(i),
                      same_.empty() ? 0 : same_[i], arguments_.sink, style));
      if (looks_[i].source) print(alignment_lines(looks_[i], aligned_by_, style));
      print("\n");
    }
    Picture picture = look_picture(looks_, view_);
    picture.caption.clear();  // the summary above has said it
    print(draw_terminal(picture, style));
  }

  void save() const {
    LookView view = view_;
    const bool chosen = !arguments_.layer.empty() || !arguments_.head.empty();
    if (ending_of(arguments_.picture.save) == ".html" && !chosen)
      view.layer = view.head = Pick::all();
    save_if_asked(arguments_.picture, look_picture(looks_, view), look_arrays(looks_));
  }

  const PairTexts& texts_;
  const Context& context_;
  const LookArguments& arguments_;
  PairAttention which_;
  const EncoderFacts& facts_;
  LookView view_;
  AlignmentChoice aligned_by_;
  std::vector<Look> looks_;
  std::vector<Occurrence> chosen_;  // of each text, if a word was asked for
  std::vector<size_t> same_;        // how many such words its text has
};

}  // namespace

void print_pair(const Context& context, const LookArguments& arguments) {
  const PairTexts texts(context, arguments);
  if (!arguments.roles.empty()) {
    print_roles(texts, /*with_targets=*/texts.which != PairAttention::encoder);
  } else if (!print_instead(texts)) {
    PairCommand(texts).run();
  }
}

}  // namespace heed::cli
