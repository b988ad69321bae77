#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>
#include <vector>

namespace heed::cli {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kColumn = 28;  // where descriptions start

/// Words of text in lines of kWidth; the first line already has `used` columns.
std::string wrap(const std::string& text, size_t indent, size_t used) {
  std::istringstream words(text);
  std::string out;
  size_t column = used;
  bool first_in_line = true;
  for (std::string word; words >> word;) {
    if (!first_in_line && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      first_in_line = true;
    }
    if (!first_in_line) out += " ";
    column += word.size() + (first_in_line ? 0 : 1);
    out += word;
    first_in_line = false;
  }
  return out;
}

std::string row(const std::string& name, const std::string& description) {
  std::string out = "  " + name;
  if (out.size() + 2 > kColumn) {
    out += "\n" + std::string(kColumn, ' ');
  } else {
    out.resize(kColumn, ' ');
  }
  return out + wrap(description, kColumn, kColumn) + "\n";
}

/// "TEXT:{a,b}" is a|b, another type itself.
std::string value_name(const CLI::Option& option) {
  const std::vector<std::string> offered = choices(option);
  return offered.empty() ? option.get_type_name() : CLI::detail::join(offered, "|");
}

}  // namespace

std::vector<std::string> choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

HelpFormatter::HelpFormatter(std::string details) : details_(std::move(details)) {
  label("Positionals", "Arguments");
  label("SUBCOMMAND", "COMMAND [INPUT...]");
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  std::string out = wrap(app->get_description(), 0, 0) + "\n\n" + make_usage(app, std::move(name));
  if (!details_.empty()) out += "\n" + wrap(details_, 0, 0) + "\n";
  out += make_positionals(app);
  out += CLI::detail::find_and_replace(make_groups(app, mode), "\n\n\n", "\n\n");
  out += make_subcommands(app, mode);
  return out + "\n" + make_footer(app);
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = is_positional ? option->get_name(true) : option->get_name(false, true);
  if (!is_positional) {
    name = CLI::detail::find_and_replace(name, ",", ", ");
    if (takes_value(*option)) name += " " + value_name(*option);
  } else if (option->get_items_expected_max() > 1) {
    name += "...";
  }
  std::string description = option->get_description();
  if (is_positional && !choices(*option).empty())
    description += " One of " + value_name(*option) + ".";
  const std::string value = option->get_default_str();
  if (takes_value(*option) && !value.empty()) description += " (default: " + value + ")";
  return row(name, description);
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return row(command->get_name(), command->get_description());
}

}  // namespace heed::cli
