#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <numeric>

namespace heed::cli {
namespace {

constexpr char kEscape = '\x01';

bool bracketed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kEscape), text.size()));
  return text.size() >= 2 && text.front() == '[' && text.back() == ']';
}

/// Number of insertions, deletions and substitutions between a and b (Levenshtein).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string escape_brackets(const std::string& argument) {
  return bracketed(argument) ? kEscape + argument : argument;
}

void keep_brackets(CLI::App& root) {
  for (CLI::Option* option : root.get_options()) {
    option->transform([](const std::string& value) {
      const bool escaped = !value.empty() && value.front() == kEscape && bracketed(value);
      return escaped ? value.substr(1) : value;
    });
  }
  for (CLI::App* command : root.get_subcommands({})) keep_brackets(*command);
}

std::vector<std::string> command_names(const CLI::App& root) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::string suggest(std::string_view given, const std::vector<std::string>& names) {
  const std::string* nearest = nullptr;
  size_t least = std::max<size_t>(1, given.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = edit_distance(given, name);
    if (distance < least) {
      least = distance;
      nearest = &name;
    }
  }
  return nearest == nullptr ? "" : ", did you mean " + *nearest + "?";
}

}  // namespace heed::cli
