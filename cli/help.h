#pragma once

#include <CLI/App.hpp>
#include <CLI/Formatter.hpp>
#include <string>
#include <vector>

namespace heed::cli {

/// Help as sentences wrapped at 80 columns: summary, usage, details, arguments, options, example.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string details);

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;

 private:
  std::string details_;
};

/// Whether the option takes a value (a flag does not).
bool takes_value(const CLI::Option& option);

/// The words an option takes, if it takes only certain ones (CLI11 shows them as {a,b} in its
/// type).
std::vector<std::string> choices(const CLI::Option& option);

}  // namespace heed::cli
