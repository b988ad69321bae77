#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace heed::cli {

/// CLI11 takes "[a,b]" among several arguments for a list: the text "[MASK]" would become "MASK".
/// An escaped argument is left alone by it; keep_brackets() lets every option undo the escape.
std::string escape_brackets(const std::string& argument);
void keep_brackets(CLI::App& root);

/// An option whose value is a list with commas between, of texts, ids or numbers: "A,B". Each time
/// that it is given it takes one argument, where CLI11's own lists take all that follow, the texts
/// of the command too. An empty list is refused unless it means something.
template <class T>
CLI::Option* add_list_option(CLI::App& command, const std::string& name, std::vector<T>& values,
                             const std::string& text, bool may_be_empty = false);

/// An option that may be given several times and takes a text each time, whatever it holds.
CLI::Option* add_repeated_option(CLI::App& command, const std::string& name,
                                 std::vector<std::string>& values, const std::string& text);

/// Names of the commands below root; of the options of a command ("--threads").
std::vector<std::string> command_names(const CLI::App& root);
std::vector<std::string> option_names(const CLI::App& command);

/// ", did you mean X?" for the nearest of the names, or nothing if none is near.
std::string suggest(std::string_view given, const std::vector<std::string>& names);

/// What CLI11 says of a number of values, or of one that it cannot read or that is not among those
/// offered, as what was needed and what was found; other messages as they are.
std::string needed_and_found(const std::string& message);

}  // namespace heed::cli
