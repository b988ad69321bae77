#include "cli/look_session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/io/hub.h"
#include "heed/lens/labels.h"
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

std::string short_name(std::string name) {
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  const size_t slash = name.rfind('/');
  return clean_label(
      slash == std::string::npos || slash + 1 == name.size() ? name : name.substr(slash + 1));
}

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

LookSession::LookSession(const Context& context_, const LookArguments& arguments_)
    : context(context_), arguments(arguments_), model_name(short_name(context_.model)) {
  if (arguments.roles.empty()) texts = read_texts(arguments.inputs);
  if (arguments.pair && texts.size() % 2 != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: --pair needed an even number of texts, found {}", texts.size()));
  }
  const auto folder = find_model(context.model);
  model = load_encoder(folder);
  tokenizer = Tokenizer::load(folder);
}

Look LookSession::look_at(size_t index, LookOptions options) const {
  options.pieces = arguments.pieces;
  options.truncate = arguments.truncate;
  if (arguments.pair) options.second = texts[index * step() + 1];
  Look seen = look(*model, *tokenizer, texts[index * step()], options);
  if (!seen.weights) {
    log(LogLevel::info,
        fmt::format("look: {} tokens are more than {}: reports of each row, its {} largest weights "
                    "and {} x {} maps stand for the whole matrices",
                    seen.tokens(), most_whole_tokens(model->facts()), kLongTop, kLongMap,
                    kLongMap));
  }
  return seen;
}

Look LookSession::read(const std::string& text) const {
  return read_text(*tokenizer, text, model->facts(),
                   {.pieces = arguments.pieces, .truncate = arguments.truncate});
}

int64_t LookSession::chosen_word(const Look& look, size_t* same) const {
  WordChoice choice = parse_word_choice(arguments.word);
  if (!find_words(look.words, arguments.word).empty()) choice = {arguments.word, std::nullopt};
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

}  // namespace heed::cli
