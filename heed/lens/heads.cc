#include "heed/lens/heads.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <unordered_map>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

// The lists of head_want, in order.
enum HeadList : int64_t { kNext, kCopies, kFollowers };

struct RowLists {
  AttentionKeyList next, copies, followers;
};

void end_row(AttentionKeyList& list) {
  list.starts.push_back(static_cast<int64_t>(list.keys.size()));
}

RowLists row_lists(std::span<const int32_t> ids) {
  const auto tokens = static_cast<int64_t>(ids.size());
  std::unordered_map<int32_t, std::vector<int64_t>> places;
  for (int64_t t = 0; t < tokens; ++t) places[ids[static_cast<size_t>(t)]].push_back(t);
  RowLists lists;
  for (AttentionKeyList* list : {&lists.next, &lists.copies, &lists.followers}) {
    list->starts.push_back(0);
  }
  for (int64_t t = 0; t < tokens; ++t) {
    if (t + 1 < tokens) lists.next.keys.push_back(t + 1);
    const auto& same = places[ids[static_cast<size_t>(t)]];
    const int64_t here = std::lower_bound(same.begin(), same.end(), t) - same.begin();
    const int64_t last = static_cast<int64_t>(same.size()) - 1;
    for (int64_t i = std::max<int64_t>(0, here - kMostCopies);
         i <= std::min(last, here + kMostCopies); ++i) {
      const int64_t place = same[static_cast<size_t>(i)];
      if (i != here) lists.copies.keys.push_back(place);
      if (i < here) lists.followers.keys.push_back(place + 1);
    }
    for (AttentionKeyList* list : {&lists.next, &lists.copies, &lists.followers}) end_row(*list);
  }
  return lists;
}

bool has_keys(const AttentionKeyList& list, int64_t row) {
  const auto at = static_cast<size_t>(row);
  return list.starts[at + 1] > list.starts[at];
}

// What causality and windows let a row see; it always sees itself.
AttentionRange seen_keys(const Mask& mask, int64_t row, int64_t tokens) {
  const int64_t right = mask.causal() ? 0 : mask.right();
  return {std::max<int64_t>(0, row - mask.left()), std::min(tokens, row + right + 1)};
}

// |row - key|, the mean over the keys seen: 1 + .. + before and 1 + .. + after in sum.
double even_distance(int64_t row, const AttentionRange& seen) {
  const auto before = static_cast<double>(row - seen.begin);
  const auto after = static_cast<double>(seen.end - 1 - row);
  return (before * (before + 1) + after * (after + 1)) / (2 * (before + after + 1));
}

// One row's; most is the entropy and even the distance of looking at all keys seen alike.
HeadStatistics row_statistics(const AttentionReport& report, int64_t head, int64_t row, float most,
                              float even) {
  const auto of = [&](const Tensor& values) { return values.at({0, head, row}); };
  const auto on = [&](HeadList list) { return report.listed.at({0, head, row, list}); };
  HeadStatistics s{.entropy = of(report.entropy),
                   .max = of(report.max),
                   .first = of(report.first),
                   .self = of(report.self),
                   .previous = of(report.previous),
                   .next = on(kNext),
                   .distance = of(report.distance),
                   .duplicate = on(kCopies),
                   .induction = on(kFollowers)};
  s.sinks = sink_weight(report, head, row);
  s.separator = s.sinks - s.first;
  s.spread = most > 0 ? s.entropy / most : 0;
  s.reach = even > 0 ? s.distance / even : 0;
  return s;
}

}  // namespace

const StatisticName& statistic_of(std::string_view name, std::span<const StatisticName> all) {
  std::vector<std::string> names;
  for (const StatisticName& one : all) {
    if (one.name == name) return one;
    names.emplace_back(one.name);
  }
  const std::vector<std::string> near = closest(name, names);
  throw Error(ErrorCode::invalid_argument,
              "look: needed a statistic, found " + in_quotes(name) +
                  (near.empty() ? "." : "; did you mean " + near.front() + "?") + " There are " +
                  listed(names, names.size()));
}

std::vector<int64_t> HeadTokens::rows() const {
  std::vector<int64_t> rows;
  const bool all_added = std::find(added.begin(), added.end(), false) == added.end();
  for (size_t t = 0; t < added.size(); ++t) {
    if (all_added || !added[t]) rows.push_back(static_cast<int64_t>(t));
  }
  return rows;
}

std::vector<int64_t> HeadTokens::separators() const {
  std::vector<int64_t> keys;
  for (size_t t = 1; t < added.size(); ++t) {
    if (added[t]) keys.push_back(static_cast<int64_t>(t));
  }
  return keys;
}

AttentionReportWant head_want(const HeadTokens& tokens) {
  AttentionReportWant want{.entropy = true,
                           .max = true,
                           .distance = true,
                           .first = true,
                           .self = true,
                           .previous = true};
  RowLists lists = row_lists(tokens.ids);
  want.lists = {std::move(lists.next), std::move(lists.copies), std::move(lists.followers)};
  for (const int64_t key : tokens.separators()) want.lists.push_back({.keys = {key}});
  return want;
}

float sink_weight(const AttentionReport& report, int64_t head, int64_t row) {
  float sum = report.first.at({0, head, row});
  for (int64_t list = kFollowers + 1; list < report.listed.size(3); ++list) {
    sum += report.listed.at({0, head, row, list});
  }
  return sum;
}

AttentionReportWant cross_want(const std::vector<bool>& added) {
  AttentionReportWant want{.entropy = true, .max = true};
  for (size_t key = 0; key < added.size(); ++key) {
    if (added[key]) want.lists.push_back({.keys = {static_cast<int64_t>(key)}});
  }
  return want;
}

float cross_sink_weight(const AttentionReport& report, int64_t head, int64_t row) {
  float sum = 0;
  const int64_t lists = report.listed.defined() ? report.listed.size(3) : 0;
  for (int64_t list = 0; list < lists; ++list) sum += report.listed.at({0, head, row, list});
  return sum;
}

void HeadTally::add(const AttentionReport& report, const AttentionReportWant& want, int64_t head,
                    const HeadTokens& tokens, const Mask& mask) {
  const std::vector<int64_t> rows = tokens.rows();
  std::vector<AttentionRange> seen;
  double even = 0;
  for (const int64_t row : rows) {
    seen.push_back(seen_keys(mask, row, std::ssize(tokens.ids)));
    even += even_distance(row, seen.back()) / static_cast<double>(rows.size());
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t row = rows[i], keys = seen[i].end - seen[i].begin;
    add(row_statistics(report, head, row, std::log(static_cast<float>(keys)),
                       static_cast<float>(even)));
    choosing_ += keys > 1 ? 1 : 0;
    copied_ += has_keys(want.lists[kCopies], row) ? 1 : 0;
    followed_ += has_keys(want.lists[kFollowers], row) ? 1 : 0;
    ++offsets_[report.max_key.at<int64_t>({0, head, row}) - row];
  }
  rows_ += static_cast<int64_t>(rows.size());
}

void HeadTally::add(const HeadStatistics& row) {
  for (size_t i = 0; i < kStatistics.size(); ++i) sums_[i] += row.*kStatistics[i].value;
}

void HeadTally::add_cross(const AttentionReport& report, int64_t head, int64_t keys,
                          const HeadTokens& tokens) {
  const std::vector<int64_t> rows = tokens.rows();
  const float most = std::log(static_cast<float>(keys));
  for (const int64_t row : rows) {
    const float entropy = report.entropy.at({0, head, row});
    add({.entropy = entropy,
         .spread = most > 0 ? entropy / most : 0,
         .max = report.max.at({0, head, row}),
         .sinks = cross_sink_weight(report, head, row)});
  }
  rows_ += static_cast<int64_t>(rows.size());
  choosing_ += keys > 1 ? static_cast<int64_t>(rows.size()) : 0;
}

HeadStatistics HeadTally::mean() const {
  HeadStatistics mean;
  for (size_t i = 0; i < kStatistics.size(); ++i) {
    const auto value = kStatistics[i].value;
    const int64_t rows = value == &HeadStatistics::spread      ? choosing_
                         : value == &HeadStatistics::duplicate ? copied_
                         : value == &HeadStatistics::induction ? followed_
                                                               : rows_;
    mean.*value = rows > 0 ? static_cast<float>(sums_[i] / static_cast<double>(rows)) : 0;
  }
  if (offsets_.empty()) return mean;
  mean.repeats = static_cast<float>(followed_) / static_cast<float>(rows_);
  const auto often =
      std::max_element(offsets_.begin(), offsets_.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  mean.offset = often->first;
  mean.positional = static_cast<float>(often->second) / static_cast<float>(rows_);
  return mean;
}

std::string_view head_role(const HeadStatistics& s) {
  // Of equals the first counts: in a text of one word, the token before it is the first token.
  if (s.repeats >= kEnoughRepeats) {
    if (s.induction >= kRoleShare) return "induction";
    if (s.duplicate >= kRoleShare) return "duplicate";
  }
  const std::pair<float, std::string_view> shares[] = {{s.first, "first"},
                                                       {s.separator, "separator"},
                                                       {s.previous, "previous"},
                                                       {s.next, "next"},
                                                       {s.self, "self"}};
  const auto largest =
      std::max_element(std::begin(shares), std::end(shares),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
  if (largest->first >= kRoleShare) return largest->second;
  if (s.positional >= kPositional) return "positional";
  if (s.spread >= kGlobal) return "global";
  if (s.reach <= kLocal) return "local";
  return "mixed";
}

}  // namespace heed
