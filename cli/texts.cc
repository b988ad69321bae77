#include "cli/texts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstring>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/csv.h"
#include "heed/io/records.h"
#include "heed/text/utf8_fault.h"

namespace heed::cli {
namespace {

constexpr const char* kStandardInput = "-";

[[noreturn]] void fail(ErrorCode code, const std::string& where, const std::string& what) {
  throw Error(code, where + ": " + what);
}

void add_lines(std::string_view content, std::string_view file, std::vector<PlacedText>& to) {
  int64_t line = 0;
  for (const std::string_view text : lines_of(content)) {
    to.push_back({std::string(text), file, ++line});
  }
}

void add_records(std::vector<TextRecord> records, std::string_view file,
                 std::vector<PlacedText>& to) {
  for (TextRecord& record : records) to.push_back({std::move(record.text), file, record.line});
}

void add_standard_input(std::vector<PlacedText>& to) {
  add_lines(read_standard_input(), "standard input", to);
}

void add_file(const std::string& file, const std::string& field, std::vector<PlacedText>& to) {
  if (file == kStandardInput) return add_standard_input(to);
  const std::string content = read_file(file);
  switch (record_format(file)) {
    case RecordFormat::json_lines:
      return add_records(json_line_records(content, field, file), file, to);
    case RecordFormat::csv:
      return add_records(csv_records(content, field, file), file, to);
    case RecordFormat::none:
      return add_lines(content, file, to);
  }
}

}  // namespace

void add_text_inputs(CLI::App& command, TextInputs& inputs) {
  command
      .add_option(
          "TEXT",
          [&inputs](const CLI::results_t& values) {  // as they are: no list syntax inside a text
            inputs.texts = values;
            return true;
          },
          "Texts; - reads standard input, one text a line.")
      ->expected(CLI::detail::expected_max_vector_size)
      ->default_str("");
  command
      .add_option("--file", inputs.file,
                  "Read texts from F: one a line, or the field of each .jsonl object or .csv row.")
      ->type_name("F");
  command.add_option("--field", inputs.field, "Which field of a .jsonl or .csv file is the text.")
      ->type_name("NAME")
      ->default_str(inputs.usual_field);
}

std::string place_of(const PlacedText& text) {
  return text.file.empty() ? fmt::format("argument {}", text.number)
                           : fmt::format("{}: line {}", text.file, text.number);
}

std::vector<std::string> read_texts(const TextInputs& inputs) {
  std::vector<std::string> texts;
  for (PlacedText& one : read_placed_texts(inputs)) texts.push_back(std::move(one.text));
  return texts;
}

std::vector<PlacedText> read_placed_texts(const TextInputs& inputs) {
  check_field(inputs);
  std::vector<PlacedText> texts;
  int64_t argument = 0;
  for (const std::string& text : inputs.texts) {
    ++argument;
    if (text == kStandardInput) {
      add_standard_input(texts);
    } else {
      texts.push_back({text, {}, argument});
    }
  }
  if (!inputs.file.empty()) {
    add_file(inputs.file, inputs.field.value_or(inputs.usual_field), texts);
  }
  if (texts.empty() && inputs.texts.empty() && inputs.file.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "no text: give texts as arguments, --file F, or - for standard input");
  }
  if (texts.empty()) {
    const bool piped = inputs.file.empty() || inputs.file == kStandardInput;
    throw Error(ErrorCode::invalid_argument,
                (piped ? "standard input" : inputs.file) +
                    std::string(": needed one text a line, found none"));
  }
  for (const PlacedText& one : texts) {
    const bool told = one.file.empty() ? tell_utf8_fault(one.text, place_of(one), 0)
                                       : tell_utf8_fault(one.text, one.file, one.number);
    if (told) break;
  }
  return texts;
}

bool has_fields(const std::string& file) { return record_format(file) != RecordFormat::none; }

void need_fields(const std::string& option, const std::string& file) {
  if (has_fields(file)) return;
  fail(ErrorCode::invalid_argument, option,
       "needs a --file with fields, .jsonl or .csv, found " +
           (file.empty() ? "none" : in_quotes(file)));
}

void check_field(const TextInputs& inputs) {
  if (inputs.field) need_fields("--field", inputs.file);
}

void add_whole_option(CLI::App& command, bool& whole) {
  command.add_flag("--whole", whole,
                   "Take --file or standard input for one text, line ends and all.");
}

std::string read_whole(const TextInputs& inputs, const std::string& command) {
  const bool piped = inputs.texts == std::vector<std::string>{kStandardInput};
  if (piped == inputs.file.empty() && (piped || inputs.texts.empty()) && !inputs.field) {
    std::string content = piped ? read_standard_input() : read_file(inputs.file);
    const std::string where = piped ? "standard input" : inputs.file;
    if (content.empty()) fail(ErrorCode::invalid_argument, where, "needed a text, found none");
    tell_utf8_fault(content, where);
    return content;
  }
  fail(ErrorCode::invalid_argument, command,
       "--whole takes one text from --file F or from standard input (-), and no --field");
}

std::string read_standard_input() {
  std::string content;
  std::array<char, 1 << 16> buffer;
  while (true) {
    check_cancelled();  // input may come without an end
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size > 0) {
      content.append(buffer.data(), static_cast<size_t>(size));
    } else if (size == 0) {
      return content;
    } else if (errno != EINTR) {
      fail(ErrorCode::io_failure, "standard input",
           std::string("cannot read: ") + std::strerror(errno));
    }
  }
}

}  // namespace heed::cli
