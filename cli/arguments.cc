#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "heed/base/message.h"

namespace heed::cli {
namespace {

constexpr char kEscape = '\x01';

bool bracketed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kEscape), text.size()));
  return text.size() >= 2 && text.front() == '[' && text.back() == ']';
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
  const std::vector<std::string> near = closest(given, names, 1);
  return near.empty() ? "" : ", did you mean " + near.front() + "?";
}

}  // namespace heed::cli
