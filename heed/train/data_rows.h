#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/train/bad_rows.h"

namespace heed {

/// A text, or two, and the class it belongs to.
struct LabeledText {
  std::string text;
  std::string label;
  int64_t line = 0;       // of the file, from 1
  std::string pair = {};  // the second text
};

/// Which columns (of .csv and .tsv with a header) or members (of .jsonl) hold them.
struct LabeledFields {
  std::string text = "text";
  std::string label;      // empty: "label" or, of a file with one column beside the texts, that one
  std::string pair = {};  // of the second text; empty: there is none
};

/// The rows of a file, by its ending. A row without text or label, with bytes that are not UTF-8 or
/// of another number of cells is bad. Error invalid_argument for an ending or columns that are not
/// there, with those that are; not_found / corrupt_data.
std::vector<LabeledText> read_labeled_texts(const std::filesystem::path& path,
                                            const LabeledFields& fields, BadRows& bad);

// The formats, on a whole content; `where` names it in errors.
std::vector<LabeledText> parse_labeled_csv(std::string_view content, const LabeledFields& fields,
                                           const std::string& where, BadRows& bad);
std::vector<LabeledText> parse_labeled_tsv(std::string_view content, const LabeledFields& fields,
                                           const std::string& where, BadRows& bad);
std::vector<LabeledText> parse_labeled_json(std::string_view content, const LabeledFields& fields,
                                            const std::string& where, BadRows& bad);

/// The names of classes, an id each.
class LabelNames {
 public:
  LabelNames() = default;
  /// In this order; Error corrupt_data for a name that stands twice.
  explicit LabelNames(std::vector<std::string> names);
  /// Those that the rows have: by number if all are whole numbers, else by the alphabet. Error
  /// invalid_argument if there is but one.
  static LabelNames of(const std::vector<LabeledText>& rows, const std::string& where);

  int64_t size() const { return static_cast<int64_t>(names_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  const std::string& name(int64_t id) const { return names_.at(static_cast<size_t>(id)); }
  std::optional<int32_t> find(std::string_view name) const;
  bool operator==(const LabelNames&) const = default;

 private:
  std::vector<std::string> names_;
};

}  // namespace heed
