#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>

#include "heed/base/message.h"

namespace heed::cli {
namespace {

constexpr char kEscape = '\x01';

bool bracketed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kEscape), text.size()));
  return text.size() >= 2 && text.front() == '[' && text.back() == ']';
}

/// What stands between the commas.
std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) items.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

/// What a choice of names found wrong, "SHELL: X not in {bash,zsh,fish}"; empty for other messages.
std::string of_choice(const std::string& message) {
  constexpr std::string_view kOffered = " not in {";
  const size_t colon = message.find(": ");
  const size_t offered = message.rfind(kOffered);
  if (colon >= offered || offered == message.npos || !message.ends_with('}')) return "";
  const size_t begin = offered + kOffered.size();
  const auto names = CLI::detail::split(message.substr(begin, message.size() - 1 - begin), ',');
  return message.substr(0, colon) + ": needed " + (names.size() > 1 ? "one of " : "") +
         listed(names, names.size()) + ", found " +
         in_quotes(std::string_view(message).substr(colon + 2, offered - colon - 2));
}

/// What an option takes that cannot read this: a number, or another one than this is.
std::string needed_number(std::string_view found) {
  if (found.starts_with('-')) found.remove_prefix(1);
  const bool digits = !found.empty() && found.find_first_not_of("0123456789") == found.npos;
  if (digits) return "a number nearer to 0";
  double number = 0;
  const auto read = std::from_chars(found.data(), found.data() + found.size(), number);
  const bool is_number = read.ec == std::errc() && read.ptr == found.data() + found.size();
  return is_number ? "a whole number" : "a number";
}

/// Each time that the option is given it takes one argument, not the command's texts behind it.
CLI::Option* one_at_a_time(CLI::Option* option) {
  return option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->default_str("");
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

CLI::Option* add_repeated_option(CLI::App& command, const std::string& name,
                                 std::vector<std::string>& values, const std::string& text) {
  const auto read = [&values](const CLI::results_t& given) {  // as they are: no list syntax inside
    values = given;
    return true;
  };
  return one_at_a_time(command.add_option(name, read, text));
}

template <class T>
CLI::Option* add_list_option(CLI::App& command, const std::string& name, std::vector<T>& values,
                             const std::string& text, bool may_be_empty) {
  const auto read = [&values, name, may_be_empty](const CLI::results_t& lists) {
    values.clear();
    for (const std::string& list : lists) {
      for (const std::string& item : items_of(list)) {
        if (!CLI::detail::lexical_cast(item, values.emplace_back())) {
          throw CLI::ConversionError(name, std::vector<std::string>{item});
        }
      }
    }
    if (!values.empty() || may_be_empty) return true;
    throw CLI::ValidationError(
        name, "needed values with commas between, found " + in_quotes(lists.back()));
  };
  return one_at_a_time(command.add_option(name, read, text));
}

template CLI::Option* add_list_option(CLI::App&, const std::string&, std::vector<std::string>&,
                                      const std::string&, bool);
template CLI::Option* add_list_option(CLI::App&, const std::string&, std::vector<int32_t>&,
                                      const std::string&, bool);
template CLI::Option* add_list_option(CLI::App&, const std::string&, std::vector<double>&,
                                      const std::string&, bool);

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
  constexpr std::string_view kNeeded = " is required";
  if (message.ends_with(kNeeded)) {
    return message.substr(0, message.size() - kNeeded.size()) + ": needed a value, found none";
  }
  constexpr std::string_view kUnread = "Could not convert: ", kReceived = " required but received ",
                             kMissing = " missing", kRequired = " required ", kMost = ": At Most ",
                             kLeast = ": At least ";
  if (const std::string told = of_choice(message); !told.empty()) return told;
  const auto between = [&](size_t begin, size_t end) { return message.substr(begin, end - begin); };
  if (message.starts_with(kUnread)) {
    const size_t equals = message.find(" = ");
    const std::string_view found = std::string_view(message).substr(equals + 3);
    return between(kUnread.size(), equals) + ": needed " + needed_number(found) + ", found " +
           in_quotes(found);
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
