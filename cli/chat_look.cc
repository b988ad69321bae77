#include "cli/chat_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/command.h"
#include "cli/look_session.h"
#include "cli/terminal.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/lens/labels.h"
#include "heed/lens/terminal_paint.h"

namespace heed::cli {
namespace {

constexpr size_t kWords = 3;
constexpr float kLeast = 0.01f;  // less of a word is not worth telling
constexpr int kPieceColumns = 14, kWordColumns = 20;
constexpr ValueRange kRange{0, 0.5f};  // the colours of weights: more is as strong as half

}  // namespace

ChatLook::ChatLook(Chat& chat, const Context& context)
    : chat_(chat), context_(context), ids_(chat.generator().tokenizer()) {}

std::string ChatLook::choose(const std::string& heads) {
  if (heads == "off") {
    live_.reset();
    chat_.watch(nullptr);
    return "not looking any more";
  }
  const EncoderFacts& facts = chat_.generator().model().facts();
  const size_t point = heads.find('.');
  std::optional<int64_t> layer, head;
  if (!heads.empty() && heads != "mean") {
    layer = number_below(heads.substr(0, point), facts.layers);
    if (point != std::string::npos) head = number_below(heads.substr(point + 1), facts.heads);
    if (!layer || (point != std::string::npos && !head)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("chat: /look needed mean, off, save FILE, LAYER or LAYER.HEAD with "
                              "layers from 0 to {} and heads from 0 to {}, found {}",
                              facts.layers - 1, facts.heads - 1, in_quotes(heads)));
    }
  }
  live_ = std::make_unique<LiveLook>(layer, head);
  chat_.watch(live_.get());
  const std::string whose = head    ? fmt::format("layer {}, head {}", *layer, *head)
                            : layer ? fmt::format("the mean of layer {}'s heads", *layer)
                                    : "the mean of all heads";
  return "each word with those that " + whose + " looked at to write it";
}

void ChatLook::begin(const GenerateOptions& choices) {
  json_ = OutJson::array();
  if (is_on() && choices.beams > 1) {
    throw Error(ErrorCode::unsupported,
                fmt::format("chat: /look follows one text, and {} beams are followed at once; "
                            "look without --beams",
                            choices.beams));
  }
}

std::vector<ChatLook::Seen> ChatLook::seen() {
  ids_.set(chat_.window());
  std::map<int64_t, float> words;  // by their first token
  for (const auto& [key, weight] : live_->keys()) {
    const bool is_sink = key == 0 || ids_.encoding().special[static_cast<size_t>(key)];
    if (!is_sink && !ids_.word_name(key).empty()) words[ids_.word(key).start] += weight;
  }
  std::vector<Seen> all;
  for (const auto& [token, weight] : words) {
    if (weight >= kLeast) all.push_back({token, ids_.word_name(token), weight});
  }
  std::ranges::stable_sort(all, std::greater(), &Seen::weight);
  if (all.size() > kWords) all.resize(kWords);
  return all;
}

void ChatLook::add(std::string_view piece) {
  const std::vector<Seen> words = seen();
  if (!context_.json) {
    print(line(piece, words));
    return;
  }
  OutJson all = OutJson::array();
  for (const Seen& one : words) {
    all.push_back({{"token", one.token}, {"word", one.word}, {"weight", one.weight}});
  }
  json_.push_back({{"text", piece}, {"words", std::move(all)}});
}

OutJson ChatLook::take_json() { return std::move(json_); }

std::string ChatLook::line(std::string_view piece, const std::vector<Seen>& words) const {
  TerminalStyle style = terminal_style(context_.no_color);
  style.theme = terminal_theme();
  const TerminalPaint paint(style);
  if (piece.starts_with(' ')) piece.remove_prefix(1);
  std::string out = paint.bold(pad_right(visible_token(piece), kPieceColumns, style.unicode)) + " ";
  const int room = (style.width - kPieceColumns - 1) / kWordColumns;
  for (int i = 0; i < std::min<int>(room, static_cast<int>(words.size())); ++i) {
    const Seen& one = words[static_cast<size_t>(i)];
    const std::string share = fmt::format(" {:.0f} %", 100 * one.weight);
    const int columns = kWordColumns - 2 - static_cast<int>(share.size());
    out += paint.cell(one.weight, kRange, kWordColumns - 1,
                      " " + pad_right(shorten(one.word, columns, style.unicode) + share,
                                      kWordColumns - 2, style.unicode)) +
           " ";
  }
  return out + "\n";
}

}  // namespace heed::cli
