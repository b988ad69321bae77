#include <charconv>

#include "heed/base/error.h"
#include "heed/ops/attention_report.h"

namespace heed {
namespace {

using Flag = bool AttentionReportWant::*;
constexpr std::pair<std::string_view, Flag> kFlags[] = {
    {"entropy", &AttentionReportWant::entropy},   {"perplexity", &AttentionReportWant::perplexity},
    {"max", &AttentionReportWant::max},           {"squares", &AttentionReportWant::squares},
    {"distance", &AttentionReportWant::distance}, {"first", &AttentionReportWant::first},
    {"self", &AttentionReportWant::self},         {"previous", &AttentionReportWant::previous},
    {"received", &AttentionReportWant::received}};

/// The number in "top8" after "top"; absent if that is not what the name is.
std::optional<int64_t> number_after(std::string_view prefix, std::string_view name) {
  if (name.substr(0, prefix.size()) != prefix || name.size() == prefix.size()) return std::nullopt;
  int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + prefix.size(), end, number);
  if (result.ec != std::errc() || result.ptr != end || number < 0) return std::nullopt;
  return number;
}

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "attention report: needed " + text);
}

/// "topK" and its like: prefix, then letter for a number of at least `least`. before: what an
/// earlier name said. Absent if the name is none of these.
std::optional<int64_t> sized(std::string_view prefix, char letter, int64_t least,
                             std::optional<int64_t> before, std::string_view name) {
  const auto number = number_after(prefix, name);
  if (!number) return std::nullopt;
  const std::string kind = std::string(prefix) + letter;
  if (*number < least) {
    refuse(kind + " with " + letter + " of at least " + std::to_string(least) + ", found " +
           std::string(name));
  }
  if (before) {
    refuse("one " + kind + ", found " + std::string(prefix) + std::to_string(*before) + " and " +
           std::string(name));
  }
  return number;
}

std::optional<int64_t> unless_off(int64_t size) {
  return size > 0 ? std::optional<int64_t>(size) : std::nullopt;
}

void add(AttentionReportWant& want, std::string_view name) {
  for (const auto& [flag_name, flag] : kFlags) {
    if (name == flag_name) {
      want.*flag = true;
      return;
    }
  }
  if (const auto top = sized("top", 'K', 1, unless_off(want.top), name)) {
    want.top = *top;
  } else if (const auto map = sized("map", 'N', 1, unless_off(want.map), name)) {
    want.map = *map;
  } else if (const auto window = sized("window", 'N', 0, want.window, name)) {
    want.window = *window;
  } else {
    refuse(
        "names of entropy, perplexity, max, squares, distance, first, self, previous, received, "
        "topK, mapN and windowN, found \"" +
        std::string(name) + "\"");
  }
}

}  // namespace

AttentionReportWant parse_attention_report(std::string_view names) {
  AttentionReportWant want;
  for (;;) {
    const size_t comma = names.find(',');
    add(want, names.substr(0, comma));
    if (comma == std::string_view::npos) return want;
    names.remove_prefix(comma + 1);
  }
}

NamedTensors named_arrays(const AttentionReport& report, const AttentionReportWant& want) {
  const std::string top = "top" + std::to_string(want.top);
  const std::string map = "map" + std::to_string(want.map);
  const std::string window = std::to_string(want.window.value_or(0));
  NamedTensors arrays{{"entropy", report.entropy},
                      {"perplexity", report.perplexity},
                      {"max", report.max},
                      {"max_key", report.max_key},
                      {"squares", report.squares},
                      {"distance", report.distance},
                      {"first", report.first},
                      {"self", report.self},
                      {"previous", report.previous},
                      {top + "_weights", report.top_weights},
                      {top + "_keys", report.top_keys},
                      {"inside" + window, report.inside},
                      {"outside" + window, report.outside},
                      {"listed", report.listed},
                      {"binned", report.binned},
                      {"received", report.received},
                      {"received_max", report.received_max},
                      {"received_" + top, report.received_top},
                      {map + "_sum", report.map.sum},
                      {map + "_mean", report.map.mean},
                      {map + "_max", report.map.max},
                      {map + "_row_edges", report.map.row_edges},
                      {map + "_key_edges", report.map.key_edges}};
  std::erase_if(arrays, [](const auto& array) { return !array.second.defined(); });
  return arrays;
}

}  // namespace heed
