#include "heed/lens/heads.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace heed {
namespace {

// The rows that statistics are taken over.
std::vector<int64_t> counted_rows(const std::vector<bool>& added) {
  std::vector<int64_t> rows;
  const bool all_added = std::find(added.begin(), added.end(), false) == added.end();
  for (size_t t = 0; t < added.size(); ++t) {
    if (all_added || !added[t]) rows.push_back(static_cast<int64_t>(t));
  }
  return rows;
}

void add_row(HeadStatistics& sum, const Tensor& weights, const std::vector<bool>& added,
             int64_t row) {
  const int64_t tokens = weights.size(1);
  float highest = 0;
  for (int64_t key = 0; key < tokens; ++key) {
    const float p = weights.at({row, key});
    highest = std::max(highest, p);
    if (p > 0) sum.entropy -= p * std::log(p);
    if (key > 0 && added[static_cast<size_t>(key)]) sum.separator += p;
    sum.distance += p * static_cast<float>(std::abs(row - key));
  }
  sum.max += highest;
  sum.first += weights.at({row, 0});
  sum.self += weights.at({row, row});
  if (row > 0) sum.previous += weights.at({row, row - 1});
  if (row + 1 < tokens) sum.next += weights.at({row, row + 1});
}

float even_distance(const std::vector<bool>& added) {
  const auto tokens = static_cast<int64_t>(added.size());
  const std::vector<int64_t> rows = counted_rows(added);
  int64_t sum = 0;
  for (const int64_t row : rows) {
    for (int64_t key = 0; key < tokens; ++key) sum += std::abs(row - key);
  }
  const auto cells = static_cast<int64_t>(rows.size()) * tokens;
  return cells == 0 ? 0 : static_cast<float>(sum) / static_cast<float>(cells);
}

}  // namespace

HeadStatistics head_statistics(const Tensor& weights, const std::vector<bool>& added) {
  HeadStatistics s;
  const std::vector<int64_t> rows = counted_rows(added);
  if (rows.empty()) return s;
  for (const int64_t row : rows) add_row(s, weights, added, row);
  for (float* value :
       {&s.entropy, &s.max, &s.first, &s.separator, &s.self, &s.previous, &s.next, &s.distance}) {
    *value /= static_cast<float>(rows.size());
  }
  return s;
}

std::string_view head_role(const HeadStatistics& s, const std::vector<bool>& added) {
  // Of equals the first counts: in a text of one word, the token before it is the first token.
  const std::pair<float, std::string_view> shares[] = {{s.first, "first"},
                                                       {s.separator, "separator"},
                                                       {s.previous, "previous"},
                                                       {s.next, "next"},
                                                       {s.self, "self"}};
  const auto largest =
      std::max_element(std::begin(shares), std::end(shares),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
  if (largest->first >= kRoleShare) return largest->second;
  if (s.entropy >= kBroad * std::log(static_cast<float>(added.size()))) return "broad";
  if (s.distance <= kNear * even_distance(added)) return "near";
  return "mixed";
}

}  // namespace heed
