// heed look --stats and --board: what every head does, over all texts.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "cli/json_out.h"
#include "cli/look_json.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
#include "heed/base/message.h"
#include "heed/lens/board.h"
#include "heed/lens/labels.h"
#include "heed/lens/probe.h"

namespace heed::cli {
namespace {

HeadTable measure(const LookSession& session) {
  const EncoderFacts& facts = session.model->facts();
  std::vector<HeadTally> tallies(static_cast<size_t>(facts.layers * facts.heads));
  ProgressBar bar(session.context, "looking", "texts");
  for (size_t i = 0; i < session.count(); ++i) {
    check_cancelled();
    const Look seen = session.look_at(i, {});
    for (size_t at = 0; at < tallies.size(); ++at) {
      seen.add_to(tallies[at], static_cast<int64_t>(at) / facts.heads,
                  static_cast<int64_t>(at) % facts.heads);
    }
    bar.update(static_cast<int64_t>(i + 1), static_cast<int64_t>(session.count()));
  }
  return head_table(facts.layers, facts.heads, tallies,
                    probe_repeats(*session.model, *session.tokenizer, session.context.seed));
}

std::string head_name(const HeadTable& table, size_t index) {
  const auto at = static_cast<int64_t>(index);
  return fmt::format("L{} H{}", at / table.heads, at % table.heads);
}

constexpr std::ptrdiff_t kEnds = 3;  // heads with the most and with the least

struct Column {
  const char* heading;
  float HeadStatistics::*value;
};
constexpr Column kColumns[] = {
    {"entropy", &HeadStatistics::entropy}, {"dist.", &HeadStatistics::distance},
    {"sinks", &HeadStatistics::sinks},     {"prev.", &HeadStatistics::previous},
    {"next", &HeadStatistics::next},       {"self", &HeadStatistics::self},
    {"dupl.", &HeadStatistics::duplicate}, {"ind.", &HeadStatistics::induction},
    {"pos.", &HeadStatistics::positional},
};

void print_cross_table(const HeadTable& table, const TerminalStyle& style) {
  const auto row = [&](const std::string& name, const auto& cell) {
    std::string line = fmt::format("{:<6}", name);
    for (const StatisticName& one : kCrossStatistics) line += fmt::format(" {:>8}", cell(one));
    print(shorten(line, style.width, style.unicode) + "\n");
  };
  row("head", [](const StatisticName& one) { return std::string(one.name); });
  for (size_t i = 0; i < table.statistics.size(); ++i) {
    row(head_name(table, i), [&](const StatisticName& one) {
      return fmt::format("{:.3f}", table.statistics[i].*one.value);
    });
  }
}

void print_table(const HeadStats& stats, const TerminalStyle& style) {
  const HeadTable& table = stats.table;
  if (stats.cross) return print_cross_table(table, style);
  const auto line = [&](const std::string& text) {
    print(shorten(text, style.width, style.unicode) + "\n");
  };
  std::string heading = fmt::format("{:<6} {:<10}", "head", "role");
  for (const Column& column : kColumns) {
    heading += fmt::format(" {:>{}}", column.heading,
                           std::max<size_t>(5, std::string_view(column.heading).size()));
  }
  line(heading);
  for (const std::string_view role : kRoles) {
    for (size_t i = 0; i < table.statistics.size(); ++i) {
      const HeadStatistics& s = table.statistics[i];
      if (head_role(s) != role) continue;
      std::string row = fmt::format("{:<6} {:<10}", head_name(table, i), role);
      for (const Column& column : kColumns) {
        row += fmt::format(" {:>{}.2f}", s.*column.value,
                           std::max<size_t>(5, std::string_view(column.heading).size()));
      }
      line(s.positional >= kPositional ? row + fmt::format(" at {:+}", s.offset) : row);
    }
  }
}

/// "Entropy: most L3 H11 1.99, L0 H3 1.96; least L0 H2 0.00.": the heads at both ends.
std::string ends_of(const HeadTable& table, std::string name, float HeadStatistics::*value) {
  const auto of = [&](size_t head) { return table.statistics[head].*value; };
  std::vector<size_t> order(table.statistics.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return of(a) > of(b); });
  const auto shown = std::ssize(order) < 2 * kEnds ? std::ssize(order) / 2 : kEnds;
  const auto listed = [&](auto begin) {
    std::string text;
    for (auto at = begin; at != begin + shown; ++at) {
      text += fmt::format("{}{} {:.2f}", at == begin ? "" : ", ", head_name(table, *at), of(*at));
    }
    return text;
  };
  name[0] = static_cast<char>(std::toupper(name[0]));
  return fmt::format("{}: most {}; least {}.", name, listed(order.begin()), listed(order.rbegin()));
}

void print_summary(const std::string& model, const HeadStats& stats, const TerminalStyle& style) {
  const HeadTable& table = stats.table;
  const auto wrapped = [&](const std::string& text) {
    for (const std::string& line : wrap(text, style.width, style.unicode)) print(line + "\n");
  };
  wrapped(fmt::format("{}: {} x {}, counted from 0, over {}{}", model,
                      counted(table.layers, "layer"), counted(table.heads, "head"),
                      counted(static_cast<int64_t>(stats.texts), "text"),
                      stats.note.empty() ? "" : "; " + stats.note));
  const auto print_ends = [&] {
    if (table.statistics.size() < 2) return print("\n");
    for (const char* name : {"entropy", "distance", "sinks"}) {
      if (stats.cross && std::string_view(name) == "distance") continue;  // of two texts, none
      wrapped(ends_of(table, name, statistic_of(name).value));
    }
    print("\n");
  };
  if (stats.cross) return print_ends();
  std::string roles;
  for (const std::string_view role : kRoles) {
    const auto count =
        std::count_if(table.statistics.begin(), table.statistics.end(),
                      [&](const HeadStatistics& one) { return head_role(one) == role; });
    if (count > 0) roles += fmt::format("{}{} {}", roles.empty() ? "" : ", ", role, count);
  }
  wrapped("Roles: " + roles + ".");
  print_ends();
}

OutJson table_json(const Context& context, const HeadStats& stats) {
  OutJson out;
  out["model"] = context.model;
  out["texts"] = static_cast<int64_t>(stats.texts);
  out["heads"] = OutJson::array();
  for (size_t i = 0; i < stats.table.statistics.size(); ++i) {
    OutJson head;
    head["layer"] = static_cast<int64_t>(i) / stats.table.heads;
    head["head"] = static_cast<int64_t>(i) % stats.table.heads;
    add_statistics(head, stats.table.statistics[i], stats.cross);
    out["heads"].push_back(std::move(head));
  }
  return out;
}

}  // namespace

void print_stats(const LookSession& session) {
  show_stats(session.context, session.arguments,
             {.table = measure(session),
              .texts = session.count(),
              .note = fmt::format("dupl. and ind. on {} texts of repeated random tokens (seed {})",
                                  kProbeTexts, session.context.seed)});
}

void show_stats(const Context& context, const LookArguments& arguments, const HeadStats& stats) {
  const HeadTable& table = stats.table;
  const std::string& chosen = arguments.board;
  Picture boards;
  NamedTensors arrays;
  for (const StatisticName& one : statistic_names(stats.cross)) {
    if (!chosen.empty() && one.name != chosen) continue;
    boards.maps.push_back(table.board(one));
    arrays.emplace_back(one.name, boards.maps.back().values);
  }
  if (!chosen.empty()) boards.maps[0].title.clear();  // the page says it
  boards.columns = chosen.empty() ? 4 : 0;
  boards.title = chosen.empty() ? "What every head does" : "Every head: " + chosen;
  boards.caption =
      fmt::format("{}, {}. Rows are layers, columns heads, counted from 0.",
                  short_name(context.model), counted(static_cast<int64_t>(stats.texts), "text"));
  const TerminalStyle style = style_for_output(arguments.picture, context);
  if (context.json) {
    print_json(table_json(context, stats));
  } else if (chosen.empty()) {
    print_summary(short_name(context.model), stats, style);
    print_table(stats, style);
  } else {
    print(draw_terminal(boards, style));
  }
  save_if_asked(arguments.picture, boards, arrays);
}

}  // namespace heed::cli
