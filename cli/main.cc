// The heed program: an explicit list of commands; faults become one line on stderr and an exit
// status (0 done, 1 our fault, 2 the user's, 130 interrupted).

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/train/together.h"

namespace heed::cli {
namespace {

constexpr int kOurFault = 1;
constexpr int kUsersFault = 2;

/// A stream that the caller closed would give its number to the next file opened, and what is
/// printed would land in there. Reading from or writing to these fails, as it should.
void fill_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // takes the lowest number
  }
}

/// Ends as a program without a handler would, which is what shells and pagers expect.
[[noreturn]] void end_by_closed_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
  std::_Exit(128 + SIGPIPE);
}

/// One line, whatever names from files or arguments the message carries.
int report(const Context& context, const char* message, int status) {
  clear_progress();
  const bool color = terminal_colors(stderr, context.no_color) != Colors::none;
  std::fprintf(stderr, "%s %s\n",
               color ? "\033[1;31mheed:\033[0m" : "heed:", printable(message).c_str());
  return status;
}

void add_all_commands(CLI::App& root, Context& context) {
  for (const auto add :
       {add_look,     add_explain, add_tokens,  add_tokenizer, add_embed,      add_forward,
        add_generate, add_chat,    add_score,   add_translate, add_summarize,  add_attend,
        add_classify, add_ner,     add_fill,    add_answer,    add_similar,    add_search,
        add_train,    add_inspect, add_convert, add_doctor,    add_completions})
    add(root, context);
}

void build(CLI::App& root, Context& context) {
  root.name("heed");
  root.formatter(std::make_shared<HelpFormatter>(
      "Texts come as arguments, from --file or from standard input (-). Results go to standard "
      "output, everything else to standard error. Exit status: 0 done, 1 a fault of Heed, 2 of "
      "the input, 130 interrupted."));
  root.set_help_flag("-h,--help", "Print this help; heed COMMAND --help tells more.");
  root.set_version_flag("--version", "heed " HEED_VERSION, "Print the version.");
  root.footer(
      "Example:\n  heed look \"I sat by the river bank.\" \"I deposited money in the bank.\" "
      "--word bank");
  root.require_subcommand(1);
  add_all_commands(root, context);
  keep_brackets(root);
}

/// One line for what the parser found wrong.
std::string parse_message(const CLI::App& root, const CLI::ParseError& error,
                          const std::vector<std::string>& arguments) {
  if (arguments.empty()) return "no command; heed --help lists them";
  const auto chosen = root.get_subcommands();
  const std::string where = chosen.empty() ? "heed" : "heed " + chosen.front()->get_name();
  if (chosen.empty() && !arguments.front().starts_with('-')) {
    return "there is no command " + in_quotes(arguments.front()) +
           suggest(arguments.front(), command_names(root)) + "; heed --help lists them";
  }
  std::string message = needed_and_found(error.what());
  // what is missing is found first, and may be so because of a name that is wrong
  const bool may_have_extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                              dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (may_have_extra && !chosen.empty()) {
    const std::vector<std::string> extra = chosen.front()->remaining();
    if (!extra.empty() && extra.front().starts_with('-')) {
      message = "there is no option " + in_quotes(extra.front()) +
                suggest(extra.front(), option_names(*chosen.front()));
    } else if (!extra.empty()) {
      message = in_quotes(extra.front()) + " is one argument too many";
    }
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  return message + "; " + where + " --help shows what it takes";
}

/// Runs the chosen command; the exit status.
int run(Context& context) {
  set_log_sink([&context](LogLevel level, std::string_view message) {
    if (context.quiet) return;
    clear_progress();
    std::fprintf(stderr, "heed: %s%s\n", level == LogLevel::warning ? "warning: " : "",
                 printable(message).c_str());
  });
  install_stop_handlers();
  std::signal(SIGPIPE, SIG_IGN);  // print() sees the closed pipe; see end_by_closed_pipe
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond `ulimit -f` is a write that fails, and told
  try {
    if (context.threads > 0) set_num_threads(static_cast<int>(context.threads));
    context.action();
    flush_output();
    return 0;
  } catch (const OutputClosed&) {
    end_by_closed_pipe();
  } catch (const OtherProcessFailed&) {
    return 0;  // a launcher would end the one that tells, before it has
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) {
      return report(context, "interrupted", 128 + (stop_signal() != 0 ? stop_signal() : SIGINT));
    }
    return report(context, error.what(), kUsersFault);
  } catch (const std::bad_alloc&) {
    return report(context, "out of memory: use a smaller --batch or shorter texts", kUsersFault);
  } catch (const std::exception& error) {
    const std::string message = std::string("a fault of Heed: ") + error.what();
    return report(context, message.c_str(), kOurFault);
  }
}

int heed_main(int argc, char** argv) {
  fill_closed_streams();
  Context context;
  CLI::App root("Run Transformers and see where every head looks.");
  build(root, context);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    std::vector<std::string> reversed;  // the order in which CLI11 takes a vector
    for (auto it = arguments.rbegin(); it != arguments.rend(); ++it) {
      reversed.push_back(escape_brackets(*it));
    }
    root.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    context.action = [&root] { print(root.help()); };
  } catch (const CLI::CallForVersion&) {
    context.action = [] { print("heed " HEED_VERSION "\n"); };
  } catch (const CLI::ParseError& error) {
    return report(context, parse_message(root, error, arguments).c_str(), kUsersFault);
  } catch (const Error& error) {
    return report(context, error.what(), kUsersFault);
  }
  return run(context);
}

}  // namespace
}  // namespace heed::cli

int main(int argc, char** argv) { return heed::cli::heed_main(argc, argv); }
