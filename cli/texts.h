#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace heed::cli {

/// Where a command's texts come from.
struct TextInputs {
  std::vector<std::string> texts;         // arguments; "-" stands for the lines of standard input
  std::string file;                       // one text a line, .jsonl or .csv
  std::optional<std::string> field = {};  // of a .jsonl object or a .csv header, if one was named
  std::string usual_field = "text";       // else

  /// Whether any of it was given.
  bool given() const { return !texts.empty() || !file.empty() || field.has_value(); }
};

/// Adds the TEXT... arguments, --file and --field.
void add_text_inputs(CLI::App& command, TextInputs& inputs);

/// The texts in order: arguments, then the file's. Empty lines are empty texts, so that the order
/// of results is the order of lines. Error invalid_argument if there is no text at all, or a field
/// of a file that has none was named; not_found / corrupt_data (with the line) for the file.
std::vector<std::string> read_texts(const TextInputs& inputs);

/// Whether the texts of such a file are fields: a .jsonl (.ndjson) or a .csv.
bool has_fields(const std::string& file);
/// Error invalid_argument, told as the option's, unless the texts of --file are fields.
void need_fields(const std::string& option, const std::string& file);
/// The same of --field, if it was given.
void check_field(const TextInputs& inputs);

/// Adds --whole.
void add_whole_option(CLI::App& command, bool& whole);

/// The file or standard input as one text (--whole). Error invalid_argument, told as the command's,
/// for any other input.
std::string read_whole(const TextInputs& inputs, const std::string& command);

/// Standard input to its end. Error cancelled when interrupted.
std::string read_standard_input();

/// One text a line.
std::vector<std::string> parse_lines(std::string_view content);

}  // namespace heed::cli
