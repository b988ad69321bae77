#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace heed::cli {

/// Where a command's texts come from.
struct TextInputs {
  std::vector<std::string> texts;  // arguments; "-" stands for the lines of standard input
  std::string file;                // one text a line, .jsonl or .csv
  std::string field = "text";      // of a .jsonl object or a .csv header
};

/// Adds the TEXT... arguments, --file and --field.
void add_text_inputs(CLI::App& command, TextInputs& inputs);

/// The texts in order: arguments, then the file's. Empty lines are empty texts, so that the order
/// of results is the order of lines. Error invalid_argument if there is no text at all; not_found /
/// corrupt_data (with the line) for the file.
std::vector<std::string> read_texts(const TextInputs& inputs);

/// Whether the texts of such a file are fields: a .jsonl (.ndjson) or a .csv.
bool has_fields(const std::string& file);

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
