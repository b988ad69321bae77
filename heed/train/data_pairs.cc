#include "heed/train/data_pairs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t") == std::string_view::npos;
}

/// What is wrong with a pair; empty if nothing.
std::string fault_of(std::string_view source, std::string_view target) {
  if (is_blank(source)) return "the source is empty";
  if (is_blank(target)) return "the target is empty";
  if (!is_valid_utf8(source) || !is_valid_utf8(target)) return "source and target must be UTF-8";
  return "";
}

/// A text, or a list of them; absent for anything else.
std::optional<std::vector<std::string>> member_texts(const Json& row, const std::string& name) {
  if (!row.is_object() || !row.contains(name)) return std::nullopt;
  const Json& value = row[name];
  std::vector<std::string> texts;
  for (const Json& one : value.is_array() ? value : Json::array({value})) {
    if (!one.is_string()) return std::nullopt;
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

/// Null for what is no JSON, or is nested deeper than any row.
Json row_of(std::string_view line, const std::string& where) {
  try {
    return parse_json(line, where);
  } catch (const Error&) {
    return {};
  }
}

void take(std::vector<TextPair>& pairs, std::string_view source, std::string_view target,
          int64_t line, const std::string& where, BadRows& bad) {
  const std::string fault = fault_of(source, target);
  if (fault.empty()) {
    pairs.push_back({std::string(source), std::string(target), line});
  } else {
    bad.report(where, line, fault);
  }
}

}  // namespace

std::vector<TextPair> parse_aligned(std::string_view sources, std::string_view targets,
                                    const std::string& source_name, const std::string& target_name,
                                    BadRows& bad) {
  const std::vector<std::string_view> from = lines_of(sources);
  const std::vector<std::string_view> to = lines_of(targets);
  if (from.size() != to.size()) {
    throw Error(
        ErrorCode::corrupt_data,
        fmt::format("{} has {} but {} has {}; line i of one must belong to line i of the "
                    "other",
                    source_name, counted(std::ssize(from), "line"), target_name, to.size()));
  }
  std::vector<TextPair> pairs;
  for (size_t i = 0; i < from.size(); ++i) {
    const auto line = static_cast<int64_t>(i + 1);
    take(pairs, from[i], to[i], line, is_blank(to[i]) ? target_name : source_name, bad);
  }
  return pairs;
}

std::vector<TextPair> parse_pairs_tsv(std::string_view content, const std::string& where,
                                      BadRows& bad) {
  std::vector<TextPair> pairs;
  int64_t number = 0;
  for (const std::string_view line : lines_of(content)) {
    ++number;
    if (line.empty()) continue;
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos) {
      bad.report(where, number,
                 fmt::format("needs source and target with a tab between, found {}",
                             counted(std::ranges::count(line, '\t') + 1, "cell")));
      continue;
    }
    take(pairs, line.substr(0, tab), line.substr(tab + 1), number, where, bad);
  }
  return pairs;
}

std::vector<TextPair> parse_pairs_json(std::string_view content, const PairFields& fields,
                                       const std::string& where, BadRows& bad) {
  std::vector<TextPair> pairs;
  int64_t number = 0;
  for (const std::string_view line : lines_of(content)) {
    ++number;
    if (is_blank(line)) continue;
    const Json row = row_of(line, where);
    const auto source = member_texts(row, fields.source), target = member_texts(row, fields.target);
    if (!source || !target) {
      bad.report(where, number,
                 fmt::format("needs an object whose {} and {} are texts or lists of them",
                             in_quotes(fields.source), in_quotes(fields.target)));
      continue;
    }
    take(pairs, fmt::format("{}", fmt::join(*source, " ")), target->empty() ? "" : target->front(),
         number, where, bad);
  }
  return pairs;
}

std::vector<std::filesystem::path> files_of(const std::string& files) {
  std::error_code error;
  if (std::filesystem::exists(files, error)) return {files};
  std::vector<std::filesystem::path> paths;
  for (size_t begin = 0; begin <= files.size();) {
    const size_t end = std::min(files.find(',', begin), files.size());
    paths.emplace_back(files.substr(begin, end - begin));
    begin = end + 1;
  }
  return paths;
}

std::vector<TextPair> read_pairs(const std::string& files, const PairFields& fields, BadRows& bad) {
  const std::vector<std::filesystem::path> paths = files_of(files);
  const std::string ending = ending_of(paths[0]);
  if (paths.size() == 1 && ending == ".tsv") {
    return parse_pairs_tsv(read_file(paths[0]), files, bad);
  }
  if (paths.size() == 1 && (ending == ".jsonl" || ending == ".ndjson")) {
    return parse_pairs_json(read_file(paths[0]), fields, files, bad);
  }
  if (paths.size() == 2 && !paths[0].empty() && !paths[1].empty()) {
    return parse_aligned(read_file(paths[0]), read_file(paths[1]), paths[0].string(),
                         paths[1].string(), bad);
  }
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("data {}: pairs are in one .tsv or .jsonl file or in two aligned ones, FILE,FILE",
                  in_quotes(files)));
}

}  // namespace heed
