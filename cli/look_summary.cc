#include "cli/look_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "heed/base/message.h"
#include "heed/lens/labels.h"
#include "heed/lens/look_picture.h"

namespace heed::cli {
namespace {

constexpr size_t kHeadsShown = 4;
constexpr size_t kLinksShown = 8;
constexpr float kWorthNaming = 0.05f;  // weight of a second word that a head looks at
constexpr int64_t kMostColumns = 16;   // words of a table of numbers
constexpr int kWidestWord = 24;

std::string bold(std::string_view text, const TerminalStyle& style) {
  if (style.colors == Colors::none) return std::string(text);
  return fmt::format("\033[1m{}\033[0m", text);
}

void add_wrapped(std::string& out, std::string_view text, const TerminalStyle& style,
                 bool strong = false) {
  for (const std::string& line : wrap(text, style.width, style.unicode)) {
    out += (strong ? bold(line, style) : line) + "\n";
  }
}

const std::string& name(const Look& look, int64_t word) {
  return look.words[static_cast<size_t>(word)].name;
}
const std::string& key_name(const Look& look, int64_t word) {
  return look.key_words()[static_cast<size_t>(word)].name;
}

std::string percent_range(const std::vector<float>& shares) {
  const auto [low, high] = std::minmax_element(shares.begin(), shares.end());
  const long from = std::lround(100 * *low);
  const long to = std::lround(100 * *high);
  return from == to ? fmt::format("{} %", from) : fmt::format("{} to {} %", from, to);
}

std::string head_name(const Gaze& gaze) {
  return fmt::format("layer {}, head {}", gaze.layer, gaze.head);
}

// What head_role() says, as a reader new to it understands it.
std::string_view describe(std::string_view role) {
  if (role == "previous") return "looks one back";
  if (role == "next") return "looks one ahead";
  if (role == "self") return "looks at itself";
  if (role == "first") return "rests on the first token";
  if (role == "separator") return "rests on the separator";
  if (role == "duplicate") return "looks at copies of the token";
  if (role == "induction") return "looks at what followed copies";
  if (role == "positional") return "looks at one distance";
  if (role == "global") return "looks everywhere";
  if (role == "local") return "looks near by";
  return "mixed";
}

std::string top_words(const Look& look, const std::vector<float>& row,
                      const std::vector<bool>& hidden) {
  std::vector<int64_t> order;
  for (int64_t w = 0; w < std::ssize(row); ++w) {
    if (!hidden[static_cast<size_t>(w)]) order.push_back(w);
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return row[static_cast<size_t>(a)] > row[static_cast<size_t>(b)];
  });
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(order.size(), 5); ++i) {
    out += fmt::format("{}{} {:.3f}", i > 0 ? "  " : "", key_name(look, order[i]),
                       row[static_cast<size_t>(order[i])]);
  }
  return out;
}

// Where a word looks, the mean of each layer's heads: a table of numbers, or for long texts the
// words that get most.
std::string by_layer(const Look& look, int64_t word, bool sinks, const TerminalStyle& style) {
  const HeatMap map = word_by_layer(look, word, sinks);
  const int64_t columns = map.values.size(1);
  if (columns > 0 && columns <= std::min<int64_t>(kMostColumns, (style.width - 9) / 6)) {
    TerminalStyle numbers = style;
    numbers.numbers = true;
    return draw_terminal({.maps = {map}}, numbers);
  }
  std::vector<bool> hidden = look.key_sinks();
  if (sinks) hidden.assign(hidden.size(), false);
  std::string out;
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    const std::vector<float> row = look.row(layer, std::nullopt, word);
    out += shorten(fmt::format("layer {}  {}", layer, top_words(look, row, hidden)), style.width,
                   style.unicode) +
           "\n";
  }
  return out;
}

std::string strongest(const Look& look, int64_t word, bool sinks, const TerminalStyle& style) {
  const std::vector<Gaze> gazes = strongest_heads(look, word, sinks, kHeadsShown);
  std::vector<std::string> lines;
  int widest = 0;
  for (const Gaze& gaze : gazes) {
    std::string line = fmt::format("  {:<17}", head_name(gaze));
    for (const auto& [other, weight] : gaze.words) {
      if (weight < kWorthNaming && other != gaze.words[0].first) continue;
      line += fmt::format("  {} {:.3f}", key_name(look, other), weight);
    }
    lines.push_back(shorten(line, style.width, style.unicode));
    widest = std::max(widest, display_width(lines.back()));
  }
  std::string out;
  for (size_t i = 0; i < gazes.size(); ++i) {
    const std::string role =
        look.source ? ""
                    : fmt::format("  ({})", describe(look.role(gazes[i].layer, gazes[i].head)));
    const bool fits = !look.source && widest + display_width(role) <= style.width;
    out += (fits ? pad_right(lines[i], widest) + role : lines[i]) + "\n";
  }
  return out;
}

std::string head_roles(const Look& look) {
  std::map<std::string_view, int> count;
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    for (int64_t head = 0; head < look.heads(); ++head) ++count[look.role(layer, head)];
  }
  std::vector<std::pair<int, std::string_view>> order;
  for (const auto& [role, n] : count) order.emplace_back(n, role);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string out;
  for (const auto& [n, role] : order)
    out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", describe(role), n);
  return out;
}

// The pairs of different words with the largest weight, mean of all layers and heads.
std::string strongest_links(const Look& look, bool sinks, const TerminalStyle& style) {
  std::vector<bool> hidden = look.sinks();
  if (sinks) hidden.assign(hidden.size(), false);
  struct Link {
    int64_t from, to;
    float weight;
  };
  std::vector<Link> links;
  const auto heavier = [](const Link& a, const Link& b) { return a.weight > b.weight; };
  for (size_t r = 0; r < hidden.size(); ++r) {
    if (hidden[r]) continue;
    const auto from = static_cast<int64_t>(r);
    const std::vector<float> row = look.row(std::nullopt, std::nullopt, from);
    for (size_t c = 0; c < row.size(); ++c) {
      if (r != c && !hidden[c]) links.push_back({from, static_cast<int64_t>(c), row[c]});
    }
    // of a long text not all of its pairs at once
    const size_t kept = std::min(kLinksShown, links.size());
    std::partial_sort(links.begin(), links.begin() + static_cast<std::ptrdiff_t>(kept), links.end(),
                      heavier);
    links.resize(kept);
  }
  std::string out;
  if (!links.empty()) add_wrapped(out, "Strongest links, mean of all layers and heads:", style);
  for (const Link& link : links) {
    const auto named = [&](int64_t word) {
      return shorten(name(look, word), kWidestWord, style.unicode);
    };
    out += shorten(fmt::format("  {} looks at {}: {:.3f}", named(link.from), named(link.to),
                               link.weight),
                   style.width, style.unicode) +
           "\n";
  }
  return out;
}

std::string bar(float value, int width, bool unicode) {
  const int filled =
      static_cast<int>(std::lround(std::clamp(value, 0.0f, 1.0f) * static_cast<float>(width)));
  std::string out;
  for (int i = 0; i < filled; ++i) out += unicode ? "━" : "=";
  return out;
}

}  // namespace

std::string alignment_lines(const Look& look, const AlignmentChoice& choice,
                            const TerminalStyle& style) {
  const std::string arrow = style.unicode ? "←" : "<-";
  const auto links = align_words(look, choice.layer, choice.head);
  int widest = 0;
  for (const AlignmentLink& link : links) {
    widest = std::max(widest, display_width(name(look, link.target)));
  }
  widest = std::min(widest, kWidestWord);
  std::string out;
  for (const AlignmentLink& link : links) {
    const std::string line =
        fmt::format("  {} {} {:.3f} {}", pad_right(name(look, link.target), widest, style.unicode),
                    arrow, link.weight, key_name(look, link.source));
    out += shorten(line, style.width, style.unicode) + "\n";
  }
  return out;
}

std::string summarize(const Look& look, size_t number, const std::optional<Occurrence>& chosen,
                      size_t same, bool sinks, const TerminalStyle& style) {
  std::string out;
  add_wrapped(out, (number > 0 ? fmt::format("{}. ", number) : "") + clean_label(look_title(look)),
              style, true);
  if (look.encoding.truncated) {
    add_wrapped(out,
                fmt::format("Cut to the {} tokens that the model reads.", look.encoding.ids.size()),
                style);
  }
  if (!look.weights) {
    add_wrapped(
        out,
        fmt::format("Longer than {} tokens: maps show runs of tokens, and words what the "
                    "{} largest weights of each of their heads tell.",
                    most_whole_tokens({.layers = look.layers(), .heads = look.heads()}), kLongTop),
        style);
  }
  const std::string resting = sink_names(look);
  const std::optional<int64_t> word = chosen ? std::optional<int64_t>(chosen->word) : std::nullopt;
  const std::string whose = word ? fmt::format("\"{}\"", name(look, *word)) : "";
  std::string says;
  if (!resting.empty()) {
    says = fmt::format("{} take{} {} of {} attention, {}.", resting,
                       resting.find(" and ") == std::string::npos ? "s" : "",
                       percent_range(sink_share(look, word)), word ? "its" : "the words'",
                       sinks ? "shown below" : "left out below (--sink)");
  }
  if (chosen && same > 1) {
    says += fmt::format(" There are {} of {} here: {}:N chooses the N-th.", same, whose,
                        name(look, *word));
  }
  add_wrapped(out, says, style);
  if (word) {
    out += by_layer(look, *word, sinks, style);
    add_wrapped(out, fmt::format("Heads that look hardest from {}:", whose), style);
    out += strongest(look, *word, sinks, style);
  } else if (!look.source) {
    add_wrapped(out, "What the heads do: " + head_roles(look) + ".", style);
    out += strongest_links(look, sinks, style);
  }
  return out;
}

std::string summarize_distance(const std::vector<Look>& looks,
                               const std::vector<Occurrence>& occurrences,
                               const TerminalStyle& style) {
  std::vector<std::pair<std::string, std::vector<float>>> pairs;
  for (size_t a = 0; a < occurrences.size(); ++a) {
    for (size_t b = a + 1; b < occurrences.size(); ++b) {
      pairs.emplace_back(fmt::format("{}-{}", a + 1, b + 1),
                         cosines(looks[occurrences[a].text], occurrences[a].word,
                                 looks[occurrences[b].text], occurrences[b].word));
    }
  }
  const auto fits = static_cast<size_t>(std::max(1, (style.width - 16) / 7));
  const size_t left_out = pairs.size() > fits ? pairs.size() - fits : 0;
  pairs.resize(pairs.size() - left_out);
  const std::string word = name(looks[occurrences[0].text], occurrences[0].word);
  std::string out;
  add_wrapped(out,
              fmt::format("How close the {} vectors of \"{}\" are after each layer (cosine)",
                          occurrences.size(), word),
              style, true);
  if (pairs.size() > 1) {
    std::string head = std::string(16, ' ');
    for (const auto& pair : pairs) head += fmt::format("{:>6} ", pair.first);
    out += head + "\n";
  }
  for (size_t l = 0; l < pairs[0].second.size(); ++l) {
    std::string line = fmt::format(
        "  {:<14}", l == 0 ? std::string("embeddings") : fmt::format("after layer {}", l - 1));
    for (const auto& pair : pairs) line += fmt::format("{:6.3f} ", pair.second[l]);
    if (pairs.size() == 1)
      line += bar(pairs[0].second[l], std::min(40, style.width - 24), style.unicode);
    out += shorten(line, style.width, style.unicode) + "\n";
  }
  if (left_out > 0)
    add_wrapped(out, fmt::format("({} with --json)", counted(left_out, "more pair")), style);
  return out;
}

}  // namespace heed::cli
