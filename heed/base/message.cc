#include "heed/base/message.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

namespace heed {
namespace {

constexpr size_t kMaxQuotedBytes = 200;

/// Bytes of the well-formed UTF-8 sequence that text begins with; 0 if there is none. Unicode 15,
/// table 3-7.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong_or_outside =
      (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
  return overlong_or_outside ? 0 : length;
}

/// C0 and C1 controls, which terminals act on.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

/// Levenshtein's distance.
size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, substituted}));
    }
  }
  return row.back();
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    const std::string_view character = text.substr(at, std::max<size_t>(length, 1));
    if (length == 0 || is_control(character)) {
      for (const char c : character) {
        char escaped[5];
        std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
        result += escaped;
      }
    } else {
      result += character;
    }
    at += character.size();
  }
  return result;
}

std::string in_quotes(std::string_view text) {
  if (text.size() <= kMaxQuotedBytes) return "'" + printable(text) + "'";
  size_t cut = kMaxQuotedBytes;
  while (cut > kMaxQuotedBytes - 4 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return "'" + printable(text.substr(0, cut)) + "...'";
}

std::string listed(const std::vector<std::string>& items, size_t most) {
  std::string result;
  const size_t shown = items.size() > most ? most : items.size();
  for (size_t i = 0; i < shown; ++i) result += (i == 0 ? "" : ", ") + items[i];
  if (shown < items.size()) result += " and " + std::to_string(items.size() - shown) + " more";
  return result;
}

namespace {

constexpr size_t kLeastWithin = 3;  // letters: "-h" is within "hidden-size" by chance

/// "lr" of "learning_rate", "--lr" of "--learning-rate".
std::string initials_of(std::string_view name) {
  constexpr std::string_view kBetween = "-_";
  size_t at = std::min(name.find_first_not_of(kBetween), name.size());
  std::string initials(name.substr(0, at));
  while (at < name.size()) {
    initials += name[at];
    at = name.find_first_not_of(kBetween, std::min(name.find_first_of(kBetween, at), name.size()));
  }
  return initials;
}

/// Whether one says the other, whole or by its words' first letters.
bool says(std::string_view wanted, std::string_view candidate) {
  return candidate.find(wanted) != std::string::npos || initials_of(candidate) == wanted ||
         (candidate.size() >= kLeastWithin && wanted.find(candidate) != std::string::npos);
}

}  // namespace

std::vector<std::string> closest(std::string_view wanted,
                                 const std::vector<std::string>& candidates, size_t most) {
  if (wanted.empty()) return {};  // which is within all of them
  std::vector<std::pair<size_t, const std::string*>> ranked;
  for (const std::string& candidate : candidates) {
    const bool within = says(wanted, candidate);
    const size_t edits = edits_between(wanted, candidate);
    if (within || edits <= std::max<size_t>(2, wanted.size() / 3)) {
      ranked.emplace_back(within ? 0 : edits, &candidate);
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min(most, ranked.size()); ++i) result.push_back(*ranked[i].second);
  return result;
}

std::string counted(int64_t count, std::string_view thing) {
  return std::to_string(count) + " " + std::string(thing) + (count == 1 ? "" : "s");
}

std::string human_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace heed
