// heed completions SHELL: a completion script made from the very tree that parses the options, so
// that the two cannot drift apart.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace heed::cli {
namespace {

std::string joined(const std::vector<std::string>& words, const std::string& separator = " ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : separator) + word;
  return out;
}

/// Text inside single quotes of a shell; in fish a backslash too has a meaning there.
std::string shell_quoted(const std::string& text, bool fish = false) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += fish ? "\\'" : "'\\''";
    } else if (c == '\\' && fish) {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out + "'";
}

/// Options with a name, of one command.
std::vector<const CLI::Option*> named_options(const CLI::App& command) {
  return command.get_options([](const CLI::Option* option) { return option->nonpositional(); });
}

/// Choices of the positional argument, if it has any.
std::vector<std::string> argument_choices(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) return choices(*option);
  }
  return {};
}

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? "-" + option.get_snames().front()
                                     : "--" + option.get_lnames().front();
}

std::string bash_script(const CLI::App& root) {
  std::string values;
  std::string options;
  for (const CLI::App* command : root.get_subcommands({})) {
    const std::string name = command->get_name();
    std::vector<std::string> words = option_names(*command);
    const std::vector<std::string> arguments = argument_choices(*command);
    words.insert(words.end(), arguments.begin(), arguments.end());
    options += "    " + name + ") words=" + shell_quoted(joined(words)) + " ;;\n";
    for (const CLI::Option* option : named_options(*command)) {
      if (!takes_value(*option)) continue;
      const std::vector<std::string> offered = choices(*option);
      values += "    " + name + ":" + long_name(*option) + ") " +
                (offered.empty() ? "COMPREPLY=($(compgen -f -- \"$current\"))"
                                 : "COMPREPLY=($(compgen -W " + shell_quoted(joined(offered)) +
                                       " -- \"$current\"))") +
                "; return ;;\n";
    }
  }
  return "# bash completion for heed; load it with: source <(heed completions bash)\n"
         "_heed() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W " +
         shell_quoted(joined(command_names(root)) + " --help --version") +
         " -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]}:$previous in\n" +
         values +
         "  esac\n"
         "  case ${COMP_WORDS[1]} in\n" +
         options +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _heed heed\n";
}

/// _arguments takes "--name[description]:what:action", with brackets and colons escaped.
std::string zsh_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_option(const CLI::Option& option) {
  std::string spec = long_name(option) + "[" + zsh_escaped(option.get_description()) + "]";
  if (takes_value(option)) {
    const std::vector<std::string> offered = choices(option);
    spec += ":value:" + (offered.empty() ? "_files" : "(" + joined(offered) + ")");
  }
  return shell_quoted(spec);
}

std::string zsh_script(const CLI::App& root) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : root.get_subcommands({})) {
    const std::string name = command->get_name();
    commands += "    " + shell_quoted(name + ":" + zsh_escaped(command->get_description())) + "\n";
    cases += "    " + name + ")\n      _arguments";
    for (const CLI::Option* option : named_options(*command)) {
      cases += " \\\n        " + zsh_option(*option);
    }
    const std::vector<std::string> arguments = argument_choices(*command);
    cases += " \\\n        " +
             shell_quoted("*:argument:" +
                          (arguments.empty() ? "_files" : "(" + joined(arguments) + ")")) +
             " ;;\n";
  }
  return "#compdef heed\n"
         "# zsh completion for heed; load it with: source <(heed completions zsh)\n"
         "_heed() {\n"
         "  local -a commands=(\n" +
         commands +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local command=$words[2]\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $command in\n" +
         cases +
         "  esac\n"
         "}\n"
         "compdef _heed heed\n";
}

std::string fish_script(const CLI::App& root) {
  std::string out =
      "# fish completion for heed; load it with: heed completions fish | source\n"
      "complete -c heed -n __fish_use_subcommand -l version -d 'Print the version.'\n";
  for (const CLI::App* command : root.get_subcommands({})) {
    const std::string name = command->get_name();
    const std::string seen = " -n '__fish_seen_subcommand_from " + name + "'";
    out += "complete -c heed -f -n __fish_use_subcommand -a " + name + " -d " +
           shell_quoted(command->get_description(), true) + "\n";
    for (const CLI::Option* option : named_options(*command)) {
      const std::string long_form = long_name(*option).substr(2);
      out += "complete -c heed" + seen + " -l " + long_form;
      if (takes_value(*option)) {
        const std::vector<std::string> offered = choices(*option);
        out += offered.empty() ? " -r" : " -x -a " + shell_quoted(joined(offered), true);
      }
      out += " -d " + shell_quoted(option->get_description(), true) + "\n";
    }
    const std::vector<std::string> arguments = argument_choices(*command);
    if (!arguments.empty()) {
      out += "complete -c heed -f" + seen + " -a " + shell_quoted(joined(arguments), true) + "\n";
    }
  }
  return out;
}

}  // namespace

void add_completions(CLI::App& root, Context& context) {
  const auto shell = std::make_shared<std::string>();
  CLI::App& command = add_command(
      root, context,
      {.name = "completions",
       .summary = "Print a script that completes heed's commands and options in a shell.",
       .details = "Load it in this shell with: source <(heed completions bash)",
       .example = "heed completions bash > heed.bash",
       .computes = false},
      [&root, shell] {
        if (*shell == "bash") print(bash_script(root));
        if (*shell == "zsh") print(zsh_script(root));
        if (*shell == "fish") print(fish_script(root));
      });
  command.add_option("SHELL", *shell, "Which shell.")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace heed::cli
