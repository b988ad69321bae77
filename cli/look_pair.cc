// heed look with an encoder-decoder: a source, what is or was made of it, and where it looked.

#include <fmt/format.h>

#include "cli/align.h"
#include "cli/look_json.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"

namespace heed::cli {
namespace {

void refuse_others(const LookArguments& arguments) {
  const std::pair<bool, const char*> others[] = {
      {!arguments.roles.empty(), "--roles"},
      {arguments.compare, "--compare"},
      {arguments.lens, "--lens"},
      {!arguments.show.empty() && arguments.show != "weights", "--show"},
      {arguments.pair, "--pair"},
      {arguments.truncate, "--truncate"},
  };
  for (const auto& [given, name] : others) {
    if (!given) continue;
    throw Error(ErrorCode::unsupported,
                fmt::format("look: {} is not there for encoder-decoders, of which --attention "
                            "encoder, decoder or cross is shown",
                            name));
  }
}

class PairCommand {
 public:
  PairCommand(const Context& context, const LookArguments& arguments)
      : context_(context),
        arguments_(arguments),
        which_(
            pair_attention_from_name(arguments.attention.empty() ? "cross" : arguments.attention)),
        sources_(read_texts(arguments.inputs)),
        translator_(Translator::load(find_model(context.model))),
        facts_(pair_facts(translator_.model().facts(), which_)),
        view_(view()) {
    if (!arguments.targets.empty() && arguments.targets.size() != sources_.size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("look: needed a --target for each of {} texts, or none, found {}",
                              sources_.size(), arguments.targets.size()));
    }
  }

  void run() {
    if (arguments_.stats || !arguments_.board.empty()) return measure();
    look_at_all();
    if (!context_.json) print_summary();
    if (!arguments_.picture.save.empty()) save();
  }

 private:
  LookView view() const {
    LookView view = cross_view(facts_, arguments_.layer, arguments_.head);
    if (which_ != PairAttention::cross) {
      if (arguments_.layer.empty()) view.layer = Pick::one(facts_.layers - 1);
      view.title = which_ == PairAttention::encoder
                       ? "Where each word looks"
                       : "Where it looked as it wrote on from each word";
    }
    view.sinks = arguments_.sink;
    view.model = short_name(context_.model);
    return view;
  }

  std::vector<int32_t> target_of(size_t text) const {
    if (!arguments_.targets.empty()) return translator_.encode(arguments_.targets[text]);
    if (which_ == PairAttention::encoder) return {};
    return translator_(sources_[text], translator_.defaults()).ids;
  }

  /// take(index, pair, look) of each text.
  template <class F>
  void look_at_all(const F& take) {
    const bool one = sources_.size() == 1;
    ProgressBar bar(context_, "looking", one ? "blocks" : "texts");
    for (size_t i = 0; i < sources_.size(); ++i) {
      check_cancelled();
      LookOptions options;
      options.pieces = arguments_.pieces;
      options.states = false;
      if (one) options.progress = bar.callback();
      const PairText pair =
          pair_text(translator_, "", sources_[i], target_of(i), arguments_.pieces);
      Look look = look_pair(translator_.model(), pair, which_, options);
      note_long(look, facts_);
      take(i, pair, std::move(look));
      if (!one) bar.update(static_cast<int64_t>(i + 1), std::ssize(sources_));
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
                .texts = sources_.size(),
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
    out["attention"] = arguments_.attention.empty() ? "cross" : arguments_.attention;
    if (which_ == PairAttention::encoder) return out;
    out["text"] = sources_[text];
    out["output"] = looks_[text].text;
    out["ids"] = pair.target.encoding.ids;
    if (which_ == PairAttention::decoder) return out;
    out["source_tokens"] = pair.source.encoding.tokens;
    out["source_words"] = words_json(looks_[text].key_words(), looks_[text].key_sinks());
    out["alignment"] = OutJson::array();
    add_links(out["alignment"], looks_[text], alignment_choice(view_));
    return out;
  }

  void print_summary() const {
    const TerminalStyle style = style_for_output(arguments_.picture, context_);
    const std::string what = arguments_.attention.empty() ? "cross" : arguments_.attention;
    print(shorten(
              fmt::format("{}: {}, {} layers x {} heads, counted from 0", view_.model,
                          what == "cross" ? "cross-attention" : what, facts_.layers, facts_.heads),
              style.width, style.unicode) +
          "\n\n");
    for (size_t i = 0; i < looks_.size(); ++i) {
      print(summarize(looks_[i], looks_.size() > 1 ? i + 1 : 0, chosen(i),
                      same_.empty() ? 0 : same_[i], arguments_.sink, style));
      if (looks_[i].source) print(alignment_lines(looks_[i], alignment_choice(view_), style));
      print("\n");
    }
    Picture picture = look_picture(looks_, view_);
    picture.caption.clear();  // the summary above has said it
    print(draw_terminal(picture, style));
  }

  void save() const {
    LookView view = view_;
    const bool chosen = !arguments_.layer.empty() || !arguments_.head.empty();
    if (arguments_.picture.save.ends_with(".html") && !chosen) view.layer = view.head = Pick::all();
    save_if_asked(arguments_.picture, look_picture(looks_, view), look_arrays(looks_));
  }

  const Context& context_;
  const LookArguments& arguments_;
  PairAttention which_;
  std::vector<std::string> sources_;
  Translator translator_;
  EncoderFacts facts_;
  LookView view_;
  std::vector<Look> looks_;
  std::vector<Occurrence> chosen_;  // of each text, if a word was asked for
  std::vector<size_t> same_;        // how many such words its text has
};

}  // namespace

void print_pair(const Context& context, const LookArguments& arguments) {
  refuse_others(arguments);
  PairCommand(context, arguments).run();
}

}  // namespace heed::cli
