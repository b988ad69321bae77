#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/error.h"

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
/// of a file that has none was named; not_found / corrupt_data (with the line) for the file. The
/// log is told of the first bytes that are no UTF-8.
std::vector<std::string> read_texts(const TextInputs& inputs);

/// A text and where it stands.
struct PlacedText {
  std::string text;
  std::string_view file = {};  // or "standard input"; empty: among the arguments
  int64_t number = 0;          // of the file's line, or of the argument, from 1
};
/// "letters.txt: line 3", or "argument 2".
std::string place_of(const PlacedText& text);

/// The same with their places, which are valid as long as the inputs. Errors likewise.
std::vector<PlacedText> read_placed_texts(const TextInputs& inputs);

/// What work gives; its errors of invalid_argument are told with the line of the file.
template <class Work>
auto at_its_place(const PlacedText& text, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (text.file.empty() || error.code() != ErrorCode::invalid_argument) throw;
    throw Error(error.code(), place_of(text) + ": " + error.what());
  }
}

/// Whether the texts of such a file are fields: a .jsonl (.ndjson) or a .csv.
bool has_fields(const std::string& file);
/// Error invalid_argument, told as the option's, unless the texts of --file are fields.
void need_fields(const std::string& option, const std::string& file);
/// The same of --field, if it was given.
void check_field(const TextInputs& inputs);

/// Adds --whole.
void add_whole_option(CLI::App& command, bool& whole);

/// The file or standard input as one text (--whole). Error invalid_argument for an empty one and,
/// told as the command's, for any other input. The log is told as by read_texts.
std::string read_whole(const TextInputs& inputs, const std::string& command);

/// Standard input to its end. Error cancelled when interrupted.
std::string read_standard_input();

}  // namespace heed::cli
