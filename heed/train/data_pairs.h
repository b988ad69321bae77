#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "heed/train/bad_rows.h"

namespace heed {

/// A text and what it is to become.
struct TextPair {
  std::string source;
  std::string target;
  int64_t line = 0;  // of the file, from 1
};

/// Line i of one content belongs to line i of the other. A pair with an empty side or bytes that
/// are not UTF-8 is bad. Error corrupt_data if they have different numbers of lines.
std::vector<TextPair> parse_aligned(std::string_view sources, std::string_view targets,
                                    const std::string& source_name, const std::string& target_name,
                                    BadRows& bad);
/// Source and target between a tab; a line with another number of cells is bad.
std::vector<TextPair> parse_pairs_tsv(std::string_view content, const std::string& where,
                                      BadRows& bad);

/// Which members of JSON lines hold the two. A list of texts is, as a source, all of them with
/// blanks between (sentences), as a target the first (several summaries of one text).
struct PairFields {
  std::string source = "source";
  std::string target = "target";
};
std::vector<TextPair> parse_pairs_json(std::string_view content, const PairFields& fields,
                                       const std::string& where, BadRows& bad);

/// "F.tsv", "F.jsonl", or two aligned files "A,B". Error invalid_argument for another form;
/// not_found.
std::vector<TextPair> read_pairs(const std::string& files, const PairFields& fields, BadRows& bad);

/// The files that `files` names: one of that name if there is such a file, else those between
/// commas.
std::vector<std::filesystem::path> files_of(const std::string& files);

}  // namespace heed
