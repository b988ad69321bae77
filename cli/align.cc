#include "cli/align.h"

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/look_session.h"
#include "heed/base/paths.h"
#include "heed/lens/alignment.h"
#include "heed/text/characters.h"

namespace heed::cli {
namespace {

void add_place(OutJson& out, const std::string& prefix, const WordPlace& place,
               const PartStart& start) {
  out[prefix + "start"] = place.characters.start + start.characters;
  out[prefix + "end"] = place.characters.end + start.characters;
  out[prefix + "byte_start"] = place.bytes.start + start.bytes;
  out[prefix + "byte_end"] = place.bytes.end + start.bytes;
}

}  // namespace

void add_align_options(CLI::App& command, AlignArguments& arguments) {
  constexpr const char* kGroup = "Which words were made of which";
  CLI::Option* align = command.add_flag("--align", arguments.align,
                                        "Tell for each word of the output which word of the text "
                                        "the model looked at most as it wrote it.");
  command
      .add_option("--layer", arguments.layer,
                  "Align by this layer of the decoder, or the mean (default: the one before the "
                  "last).")
      ->type_name("N|mean")
      ->default_str("");
  command.add_option("--head", arguments.head, "Align by this head (default: the mean of all).")
      ->type_name("N|mean")
      ->default_str("");
  add_save_options(command, arguments.picture);
  align->group(kGroup);
  for (const char* name : {"--layer", "--head", "--save", "--theme"}) {
    command.get_option(name)->group(kGroup)->needs(align);
  }
}

AlignmentChoice alignment_choice(const LookView& view) {
  AlignmentChoice choice;
  if (view.layer.kind == Pick::Kind::one) choice.layer = view.layer.index;
  if (view.head.kind == Pick::Kind::one) choice.head = view.head.index;
  return choice;
}

LookView cross_view(const EncoderFacts& facts, const std::string& layer, const std::string& head) {
  LookView view;
  view.layer = layer.empty() ? Pick::one(alignment_layer(facts.layers))
                             : parse_pick(layer, "--layer", facts.layers);
  if (!head.empty()) view.head = parse_pick(head, "--head", facts.heads);
  view.title = "Where it looked as it wrote each word";
  return view;
}

void add_links(OutJson& links, const Look& cross, const AlignmentChoice& choice,
               const PartStart& source, const PartStart& target) {
  for (const AlignmentLink& link : align_words(cross, choice.layer, choice.head)) {
    const Word& made = cross.words[static_cast<size_t>(link.target)];
    const Word& of = cross.key_words()[static_cast<size_t>(link.source)];
    OutJson one{{"word", made.name}};
    add_place(one, "", place_of(cross.text, cross.encoding, made), target);
    one["source_word"] = of.name;
    add_place(one, "source_", place_of(cross.source->text, cross.key_encoding(), of), source);
    one["weight"] = link.weight;
    links.push_back(std::move(one));
  }
}

PairText pair_text(const Translator& translator, const std::string& prefix, std::string_view source,
                   std::span<const int32_t> target, bool pieces) {
  const std::string whole = prefix + std::string(source);
  const auto& tokenizer = translator.tokenizer();
  const int32_t start = *translator.special().decoder_start;
  return {.source = read_source(translator.encoding(whole), whole,
                                {.pieces = pieces, .prefix_bytes = std::ssize(prefix)}),
          .target = read_target(tokenizer, target, {.pieces = pieces}),
          .start = start,
          .start_token = tokenizer->token_of(start)};
}

Aligner::Aligner(const Context& context, const AlignArguments& arguments,
                 const Translator& translator)
    : context_(context), arguments_(arguments), translator_(translator) {
  if (!asked()) return;
  if (!arguments.picture.save.empty()) check_picture_path(arguments.picture.save);
  const EncoderFacts facts = pair_facts(translator.model().facts(), PairAttention::cross);
  view_ = cross_view(facts, arguments.layer, arguments.head);
  view_.model = short_name(context.model);
}

void Aligner::add(AlignedText& text, const std::string& prefix, std::string_view part,
                  const Generated& made, const PartStart& source, const PartStart& target) {
  if (!asked() || made.ids.empty()) return;
  LookOptions options;
  options.states = false;
  const PairText pair = pair_text(translator_, prefix, part, made.target_ids());
  Look look = look_pair(translator_.model(), pair, PairAttention::cross, options);
  const AlignmentChoice choice = alignment_choice(view_);
  if (context_.json) {
    const PartStart before{source.characters - count_characters(prefix),
                           source.bytes - std::ssize(prefix)};
    add_links(text.links, look, choice, before, target);
  } else {
    text.lines += alignment_lines(look, choice, style_for_output(arguments_.picture, context_));
  }
  if (!arguments_.picture.save.empty()) looks_.push_back(std::move(look));
}

void Aligner::save() const {
  if (looks_.empty()) return;
  LookView view = view_;
  const bool chosen = !arguments_.layer.empty() || !arguments_.head.empty();
  if (ending_of(arguments_.picture.save) == ".html" && !chosen)
    view.layer = view.head = Pick::all();
  save_if_asked(arguments_.picture, look_picture(looks_, view), look_arrays(looks_));
}

}  // namespace heed::cli
