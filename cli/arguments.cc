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

std::string needed_and_found(const std::string& message) {
  constexpr std::string_view kUnread = "Could not convert: ", kReceived = " required but received ",
                             kMissing = " missing", kRequired = " required ", kMost = ": At Most ",
                             kLeast = ": At least ";
  const auto between = [&](size_t begin, size_t end) { return message.substr(begin, end - begin); };
  if (message.starts_with(kUnread)) {
    const size_t equals = message.find(" = ");
    return between(kUnread.size(), equals) + ": needed a number, found " +
           in_quotes(std::string_view(message).substr(equals + 3));
  }
  const size_t colon = message.find(": ");
  if (const size_t received = message.find(kReceived); received != message.npos) {
    const bool most = message.compare(colon, kMost.size(), kMost) == 0;
    const std::string count = between(colon + (most ? kMost : kLeast).size(), received);
    return between(0, colon) + ": needed at " + (most ? "most " : "least ") + count +
           (count == "1" ? " value" : " values") + ", found " +
           message.substr(received + kReceived.size());
  }
  const size_t required = message.find(kRequired);
  if (required == message.npos || !message.ends_with(kMissing)) return message;
  return between(0, colon) + ": needed " +
         between(required + kRequired.size(), message.size() - kMissing.size()) + ", found nothing";
}

}  // namespace heed::cli
