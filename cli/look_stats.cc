// heed look --stats and --board: what every head does, over all texts.

#include <fmt/format.h>

#include <algorithm>

#include "cli/json_out.h"
#include "cli/look_json.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
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
    const Look seen = session.look_at(i);
    for (size_t at = 0; at < tallies.size(); ++at) {
      tallies[at].add(seen.reports[at / static_cast<size_t>(facts.heads)], seen.want,
                      static_cast<int64_t>(at) % facts.heads, seen.head_tokens());
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

void print_table(const HeadTable& table, const TerminalStyle& style) {
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

void print_summary(const LookSession& session, const HeadTable& table, const TerminalStyle& style) {
  const auto wrapped = [&](const std::string& text) {
    for (const std::string& line : wrap(text, style.width, display_width)) print(line + "\n");
  };
  wrapped(
      fmt::format("{}: {} layers x {} heads, counted from 0, over {} text{}; dupl. and ind. "
                  "on {} texts of repeated random tokens (seed {})",
                  session.model_name, table.layers, table.heads, session.count(),
                  session.count() == 1 ? "" : "s", kProbeTexts, session.context.seed));
  std::string roles;
  for (const std::string_view role : kRoles) {
    const auto count =
        std::count_if(table.statistics.begin(), table.statistics.end(),
                      [&](const HeadStatistics& one) { return head_role(one) == role; });
    if (count > 0) roles += fmt::format("{}{} {}", roles.empty() ? "" : ", ", role, count);
  }
  wrapped("Roles: " + roles + ".");
  print("\n");
}

OutJson table_json(const LookSession& session, const HeadTable& table) {
  OutJson out;
  out["model"] = session.context.model;
  out["texts"] = static_cast<int64_t>(session.count());
  out["heads"] = OutJson::array();
  for (size_t i = 0; i < table.statistics.size(); ++i) {
    OutJson head;
    head["layer"] = static_cast<int64_t>(i) / table.heads;
    head["head"] = static_cast<int64_t>(i) % table.heads;
    head["role"] = head_role(table.statistics[i]);
    add_statistics(head, table.statistics[i]);
    out["heads"].push_back(std::move(head));
  }
  return out;
}

}  // namespace

void print_stats(const LookSession& session) {
  const HeadTable table = measure(session);
  const std::string& chosen = session.arguments.board;
  Picture boards;
  for (const StatisticName& one : kStatistics) {
    if (chosen.empty() || one.name == chosen) boards.maps.push_back(table.board(one));
  }
  if (!chosen.empty()) boards.maps[0].title.clear();  // the page says it
  boards.columns = chosen.empty() ? 4 : 0;
  boards.title = chosen.empty() ? "What every head does" : "Every head: " + chosen;
  boards.caption =
      fmt::format("{}, {} text{}. Rows are layers, columns heads, counted from 0.",
                  session.model_name, session.count(), session.count() == 1 ? "" : "s");
  const TerminalStyle style = style_for_output(session.arguments.picture, session.context);
  if (session.context.json) {
    print_json(table_json(session, table));
  } else if (chosen.empty()) {
    print_summary(session, table, style);
    print_table(table, style);
  } else {
    print(draw_terminal(boards, style));
  }
  save_if_asked(session.arguments.picture, boards);
}

}  // namespace heed::cli
