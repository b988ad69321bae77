#include "heed/train/data_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

constexpr const char* kUsualLabel = "label";

std::string label_of(const LabeledFields& fields) {
  return fields.label.empty() ? kUsualLabel : fields.label;
}

/// A text that is its own label, or its own second text, would teach nothing.
void check_apart(const LabeledFields& fields) {
  const std::string label = label_of(fields);
  const auto same = [](const char* one, const char* other, const std::string& name) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("data: {} and {} must be two columns, but both are {}", one, other,
                            in_quotes(name)));
  };
  if (fields.text == label) same("text_column", "label_column", label);
  if (fields.text == fields.pair) same("text_column", "pair_column", fields.pair);
  if (fields.pair == label) same("pair_column", "label_column", label);
}

/// Which of the names is wanted, or nothing. Error invalid_argument where two columns have it.
std::optional<size_t> index_of(const std::vector<std::string>& names, const std::string& name,
                               const std::string& where) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  if (const auto count = std::ranges::count(names, name); count > 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: needed one column {}, found {}", where, in_quotes(name), count));
  }
  return static_cast<size_t>(found - names.begin());
}

struct Columns {
  size_t text;
  size_t label;
  std::optional<size_t> pair;
};

Columns columns_of(const std::vector<std::string>& header, const LabeledFields& fields,
                   const std::string& where) {
  const auto text = index_of(header, fields.text, where);
  const bool paired = !fields.pair.empty();
  const auto pair = paired ? index_of(header, fields.pair, where) : std::nullopt;
  auto label = index_of(header, label_of(fields), where);
  if (!label && fields.label.empty() && header.size() == (paired ? 3 : 2)) {
    label = 0;
    while (label == text || label == pair) ++*label;
  }
  const auto refuse = [&](const std::string& name, const char* setting) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: has no column {}; {} may be {}", where, in_quotes(name), setting,
                            listed(header)));
  };
  if (!text) refuse(fields.text, "text_column");
  if (paired && !pair) refuse(fields.pair, "pair_column");
  if (!label) refuse(label_of(fields), "label_column");
  return {*text, *label, pair};
}

/// Takes a row, unless something is wrong with it.
void take(std::vector<LabeledText>& rows, LabeledText row, const LabeledFields& fields,
          const std::string& where, BadRows& bad) {
  const auto is_blank = [](const std::string& text) {
    return text.find_first_not_of(" \t\r\n") == std::string::npos;
  };
  if (is_blank(row.text)) {
    bad.report(where, row.line, "the text is empty");
  } else if (!fields.pair.empty() && is_blank(row.pair)) {
    bad.report(where, row.line, "the second text is empty");
  } else if (is_blank(row.label)) {
    bad.report(where, row.line, "the label is empty");
  } else if (!is_valid_utf8(row.text) || !is_valid_utf8(row.label) || !is_valid_utf8(row.pair)) {
    bad.report(where, row.line, "text and label must be UTF-8");
  } else {
    rows.push_back(std::move(row));
  }
}

std::vector<LabeledText> from_cells(std::vector<CsvRow> cells, const LabeledFields& fields,
                                    const std::string& where, BadRows& bad) {
  std::vector<LabeledText> rows;
  if (cells.empty()) return rows;
  const std::vector<std::string> header = cells.front().cells;
  const Columns columns = columns_of(header, fields, where);
  for (size_t i = 1; i < cells.size(); ++i) {
    CsvRow& row = cells[i];
    if (row.cells.size() != header.size()) {
      bad.report(where, row.line,
                 fmt::format("needs {} as the header has, found {}",
                             counted(std::ssize(header), "cell"), row.cells.size()));
      continue;
    }
    LabeledText taken{std::move(row.cells[columns.text]), std::move(row.cells[columns.label]),
                      row.line};
    if (columns.pair) taken.pair = std::move(row.cells[*columns.pair]);
    take(rows, std::move(taken), fields, where, bad);
  }
  return rows;
}

/// A string member, or a whole number as its digits; nothing for anything else.
std::optional<std::string> member(const Json& object, const std::string& name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_integer()) return found->dump();
  return std::nullopt;
}

std::optional<LabeledText> from_json(const std::string& line, const std::string& place,
                                     const LabeledFields& fields, std::string* fault) {
  Json object;
  try {
    object = parse_json(line, place);
  } catch (const Error& error) {
    *fault = "is not JSON";
    return std::nullopt;
  }
  const std::string label_name = label_of(fields);
  auto text = object.is_object() ? member(object, fields.text) : std::nullopt;
  auto label = object.is_object() ? member(object, label_name) : std::nullopt;
  const bool paired = !fields.pair.empty();
  auto pair = paired && object.is_object() ? member(object, fields.pair) : std::nullopt;
  if (text && label && (pair || !paired)) {
    return LabeledText{std::move(*text), std::move(*label), 0, std::move(pair).value_or("")};
  }
  *fault =
      fmt::format("needs an object with a text {}{} and a label {}", in_quotes(fields.text),
                  paired ? ", a second one " + in_quotes(fields.pair) : "", in_quotes(label_name));
  return std::nullopt;
}

std::optional<int64_t> as_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<LabeledText> parse_labeled_csv(std::string_view content, const LabeledFields& fields,
                                           const std::string& where, BadRows& bad) {
  const auto fault = [&](int64_t line, const std::string& what) { bad.report(where, line, what); };
  return from_cells(parse_csv(content, fault), fields, where, bad);
}

std::vector<LabeledText> parse_labeled_tsv(std::string_view content, const LabeledFields& fields,
                                           const std::string& where, BadRows& bad) {
  std::vector<CsvRow> cells;
  int64_t line = 0;
  for (const std::string_view text : lines_of(content)) {
    ++line;
    if (text.empty()) continue;
    CsvRow row{.cells = {}, .line = line};
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find('\t', begin), text.size());
      row.cells.emplace_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    cells.push_back(std::move(row));
  }
  return from_cells(std::move(cells), fields, where, bad);
}

std::vector<LabeledText> parse_labeled_json(std::string_view content, const LabeledFields& fields,
                                            const std::string& where, BadRows& bad) {
  std::vector<LabeledText> rows;
  int64_t line = 0;
  for (const std::string_view text : lines_of(content)) {
    ++line;
    if (text.find_first_not_of(" \t") == std::string_view::npos) continue;
    std::string fault;
    auto row = from_json(std::string(text), fmt::format("{}:{}", where, line), fields, &fault);
    if (!row) {
      bad.report(where, line, fault);
      continue;
    }
    row->line = line;
    take(rows, std::move(*row), fields, where, bad);
  }
  return rows;
}

std::vector<LabeledText> read_labeled_texts(const std::filesystem::path& path,
                                            const LabeledFields& fields, BadRows& bad) {
  check_apart(fields);
  const std::string ending = ending_of(path);
  const std::string where = path.string();
  if (ending == ".csv") return parse_labeled_csv(read_file(path), fields, where, bad);
  if (ending == ".tsv") return parse_labeled_tsv(read_file(path), fields, where, bad);
  if (ending == ".jsonl" || ending == ".ndjson") {
    return parse_labeled_json(read_file(path), fields, where, bad);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: labelled texts must be in a .csv, .tsv or .jsonl file", where));
}

LabelNames::LabelNames(std::vector<std::string> names) : names_(std::move(names)) {
  std::set<std::string_view> seen;
  for (const std::string& name : names_) {
    if (seen.insert(name).second) continue;
    throw Error(ErrorCode::corrupt_data, "labels: " + in_quotes(name) + " stands twice");
  }
}

LabelNames LabelNames::of(const std::vector<LabeledText>& rows, const std::string& where) {
  std::set<std::string> seen;
  for (const LabeledText& row : rows) seen.insert(row.label);
  if (seen.size() < 2) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: classification needs at least two classes, found {} in {}", where,
                            seen.empty() ? "none" : "only " + in_quotes(*seen.begin()),
                            counted(std::ssize(rows), "row")));
  }
  std::vector<std::string> names(seen.begin(), seen.end());
  if (std::ranges::all_of(names,
                          [](const std::string& name) { return as_number(name).has_value(); })) {
    std::ranges::sort(names, {}, [](const std::string& name) { return *as_number(name); });
  }
  return LabelNames(std::move(names));
}

std::optional<int32_t> LabelNames::find(std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<int32_t>(found - names_.begin());
}

}  // namespace heed
