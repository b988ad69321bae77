#include "cli/look_session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"
#include "heed/lens/look_arrays.h"
#include "heed/models/registry.h"

namespace heed::cli {
namespace {

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

}  // namespace

NamedTensors look_arrays(const std::vector<Look>& looks) {
  NamedTensors out;
  for (size_t i = 0; i < looks.size(); ++i) {
    const std::string prefix = looks.size() > 1 ? fmt::format("text{}_", i) : "";
    for (auto& [name, array] : heed::look_arrays(looks[i])) {
      out.emplace_back(prefix + name, array);
    }
  }
  return out;
}

std::string short_name(std::string name) {
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  const size_t slash = name.rfind('/');
  return clean_label(
      slash == std::string::npos || slash + 1 == name.size() ? name : name.substr(slash + 1));
}

std::optional<int64_t> number_below(std::string_view text, int64_t count) {
  int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && number >= 0 && number < count ? std::optional(number) : std::nullopt;
}

Pick parse_pick(const std::string& text, const char* option, int64_t count) {
  if (text == "mean") return {};
  if (text == "all") return Pick::all();
  const std::optional<int64_t> index = number_below(text, count);
  if (!index) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("look: {} needed 0 to {}, mean or all, found '{}'", option, count - 1, text));
  }
  return Pick::one(*index);
}

Pick shown_layers(const LookArguments& arguments, const Pick& head, int64_t layers, Pick usual) {
  if (!arguments.layer.empty()) return parse_pick(arguments.layer, "--layer", layers);
  return arguments.head.empty() || head.kind == Pick::Kind::mean ? usual : Pick::all();
}

LookTexts::LookTexts(const Context& context_, const LookArguments& arguments_)
    : context(context_), arguments(arguments_), model_name(short_name(context_.model)) {}

LookSession::LookSession(const Context& context_, const LookArguments& arguments_)
    : LookSession(context_, arguments_,
                  arguments_.roles.empty() ? read_placed_texts(arguments_.inputs)
                                           : std::vector<PlacedText>{}) {}

LookSession::LookSession(const Context& context_, const LookArguments& arguments_,
                         std::vector<PlacedText> texts_)
    : LookTexts(context_, arguments_), texts(std::move(texts_)) {
  if (arguments.pair && texts.size() % 2 != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: --pair needed an even number of texts, found {}", texts.size()));
  }
  const auto folder = find_model(context.model);
  model = load_encoder(folder);
  tokenizer = Tokenizer::load(folder);
}

std::unique_ptr<LookTexts> LookSession::by_model(const Context& other) const {
  return std::make_unique<LookSession>(other, arguments, texts);
}

Look LookSession::look_at(size_t index, LookOptions options) const {
  options.pieces = arguments.pieces;
  options.truncate = arguments.truncate;
  if (arguments.pair) options.second = texts[index * step() + 1].text;
  const PlacedText& placed = texts[index * step()];
  Look seen = at_its_place(placed, [&] { return look(*model, *tokenizer, placed.text, options); });
  note_long(seen, model->facts());
  return seen;
}

Look LookSession::look_at(const RelatedWords& pair) const {
  return look(*model, *tokenizer, pair.text,
              {.pieces = arguments.pieces, .truncate = arguments.truncate, .only_whole = true});
}

void note_long(const Look& look, const EncoderFacts& facts) {
  if (look.weights) return;
  log(LogLevel::info,
      fmt::format("look: {} tokens are more than {}: reports of each row, its {} largest weights "
                  "and {} x {} maps stand for the whole matrices",
                  std::max(look.tokens(), look.keys()), most_whole_tokens(facts), kLongTop,
                  kLongMap, kLongMap));
}

Look LookSession::read(size_t index) const {
  return at_its_place(texts[index], [&] {
    return read_text(*tokenizer, texts[index].text, model->facts(),
                     {.pieces = arguments.pieces, .truncate = arguments.truncate});
  });
}

LogitLens LookSession::lens(const Look& read, int64_t top, const Progress& progress) const {
  const auto causal = std::dynamic_pointer_cast<const CausalModel>(model);
  if (!causal) {
    throw Error(ErrorCode::unsupported,
                fmt::format("look: --lens reads what layers would say next, and {} is no causal "
                            "language model and no encoder-decoder",
                            model_name));
  }
  return logit_lens(*causal, read.encoding.ids, top, progress);
}

int64_t LookSession::chosen_word(const Look& look, size_t* same) const {
  return find_chosen(arguments.word, look, same);
}

int64_t find_chosen(const std::string& chosen, const Look& look, size_t* same) {
  WordChoice choice = parse_word_choice(chosen);
  if (!find_words(look.words, chosen).empty()) choice = {chosen, std::nullopt};
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
  if (same != nullptr) *same = found.size();
  return found[wanted - 1];
}

bool print_instead(const LookTexts& texts) {
  const LookArguments& arguments = texts.arguments;
  if (arguments.compare) {
    print_comparison(texts);
  } else if (arguments.lens) {
    print_lens(texts);
  } else if (!arguments.show.empty() && arguments.show != "weights") {
    print_through(texts);
  } else {
    return false;
  }
  return true;
}

}  // namespace heed::cli
