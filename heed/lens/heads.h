#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/ops/attention_report.h"
#include "heed/ops/mask.h"

namespace heed {

/// What one head does with texts, in numbers: means over the rows (queries) of the texts' own
/// tokens; rows of tokens that the tokenizer added count only if a text has no others. Definitions
/// and sources: docs/math/lens.md.
struct HeadStatistics {
  float entropy = 0;     // of a row, in nats: 0 looks at one token, ln n at n alike
  float spread = 0;      // entropy / ln n of the n tokens that a row sees; of rows that see several
  float max = 0;         // a row's largest weight
  float first = 0;       // weight on the text's first token
  float separator = 0;   // weight on the other tokens that the tokenizer added ([SEP])
  float sinks = 0;       // both together
  float self = 0;        // weight on the token itself
  float previous = 0;    // weight on the token before
  float next = 0;        // weight on the token after
  float distance = 0;    // mean |query - key| in tokens, weighted
  float reach = 0;       // distance / that of looking at all tokens that a row sees alike
  float positional = 0;  // share of rows whose largest weight lies at `offset`
  float duplicate = 0;   // weight on other copies of the token; of rows that have one
  float induction = 0;   // weight on what followed earlier copies; of rows that have one
  float repeats = 0;     // share of rows that induction is taken over
  int64_t offset = 0;    // key - query where most rows have their largest weight
};

struct StatisticName {
  std::string_view name;
  float HeadStatistics::*value;
};
inline constexpr std::array<StatisticName, 14> kStatistics{{
    {"entropy", &HeadStatistics::entropy},
    {"spread", &HeadStatistics::spread},
    {"max", &HeadStatistics::max},
    {"first", &HeadStatistics::first},
    {"separator", &HeadStatistics::separator},
    {"sinks", &HeadStatistics::sinks},
    {"self", &HeadStatistics::self},
    {"previous", &HeadStatistics::previous},
    {"next", &HeadStatistics::next},
    {"distance", &HeadStatistics::distance},
    {"reach", &HeadStatistics::reach},
    {"positional", &HeadStatistics::positional},
    {"duplicate", &HeadStatistics::duplicate},
    {"induction", &HeadStatistics::induction},
}};
/// Those that say something of a text that looks at another one.
inline constexpr std::array<StatisticName, 4> kCrossStatistics{{
    {"entropy", &HeadStatistics::entropy},
    {"spread", &HeadStatistics::spread},
    {"max", &HeadStatistics::max},
    {"sinks", &HeadStatistics::sinks},
}};
inline std::span<const StatisticName> statistic_names(bool cross) {
  return cross ? std::span<const StatisticName>(kCrossStatistics) : kStatistics;
}
/// Error invalid_argument names the nearest statistics.
const StatisticName& statistic_of(std::string_view name,
                                  std::span<const StatisticName> all = kStatistics);

/// A text's tokens, as its statistics see them.
struct HeadTokens {
  std::span<const int32_t> ids;
  const std::vector<bool>& added;  // by the tokenizer, [T]

  /// The rows that statistics are taken over.
  std::vector<int64_t> rows() const;
  /// Added tokens but the first token, which is a sink as well.
  std::vector<int64_t> separators() const;
};

/// What a report must tell for statistics: their lists of keys come first, one more for each of
/// separators() follows.
AttentionReportWant head_want(const HeadTokens& tokens);

/// One row's weight on the first token and the separators.
float sink_weight(const AttentionReport& report, int64_t head, int64_t row);

/// What a report must tell where a text looks at another one, of which these tokens were added.
AttentionReportWant cross_want(const std::vector<bool>& added);
/// One row's weight on the tokens that were added.
float cross_sink_weight(const AttentionReport& report, int64_t head, int64_t row);

/// Gathers one head's statistics over texts.
class HeadTally {
 public:
  /// report: of one text (B = 1), as head_want asked for it. mask: the layer's, whose causality and
  /// windows say how many tokens each row sees, itself among them.
  void add(const AttentionReport& report, const AttentionReportWant& want, int64_t head,
           const HeadTokens& tokens, const Mask& mask);
  /// The same of a text's look at another one, as cross_want asked for it: kCrossStatistics.
  /// keys: tokens of the other one.
  void add_cross(const AttentionReport& report, int64_t head, int64_t keys,
                 const HeadTokens& tokens);
  HeadStatistics mean() const;

 private:
  void add(const HeadStatistics& row);

  std::array<double, kStatistics.size()> sums_{};
  int64_t rows_ = 0;
  int64_t choosing_ = 0;  // rows that see more than one token
  int64_t copied_ = 0;    // rows whose token has another copy
  int64_t followed_ = 0;  // rows whose token has an earlier one, and something followed it
  std::map<int64_t, int64_t> offsets_;
};

/// A word for what the head mostly does: "induction" or "duplicate" if that takes at least
/// kRoleShare of its weight, told only where half of the rows repeat something (where nothing does,
/// such heads rest on a sink); else "first", "separator", "previous", "next" or "self" likewise
/// (the largest counts); else "positional" if kPositional of its rows have their largest weight at
/// one offset; else "global" if its entropy is kGlobal of what it could be; else "local" if it
/// reaches at most kLocal of the mean distance of a head that looks at all it sees alike; else
/// "mixed".
std::string_view head_role(const HeadStatistics& statistics);

inline constexpr std::array<std::string_view, 11> kRoles{
    "previous",  "next",       "self",  "first",  "separator", "duplicate",
    "induction", "positional", "local", "global", "mixed"};
constexpr float kRoleShare = 0.4f;
constexpr float kPositional = 0.9f;  // Voita et al., 2019
constexpr float kGlobal = 0.85f;     // of the entropy ln n of the n tokens seen
constexpr float kLocal = 0.5f;       // of the distance of even looking
constexpr float kEnoughRepeats = 0.5f;
/// A row's copies in duplicate and induction: the nearest before it and, of duplicates, after it.
constexpr int64_t kMostCopies = 32;

}  // namespace heed
