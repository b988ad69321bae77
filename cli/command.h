#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace heed::cli {

/// What the options that mean the same in every command were set to, and what to run.
struct Context {
  std::string model;    // NAME or folder, as given or defaulted; for find_model()
  int64_t threads = 0;  // 0: all processors this process may use
  int64_t batch = 32;   // inputs computed at once
  uint64_t seed = 0;    // of everything random
  bool json = false;    // one JSON object a line on stdout
  bool quiet = false;   // no progress, notes or warnings on stderr
  bool no_color = false;
  std::function<void()> action;  // what the chosen command does, once all options are known
};

/// How a command presents itself in its help.
struct CommandText {
  std::string_view name;     // "tokens"
  std::string_view summary;  // one sentence, for the list of commands and the head of the help
  std::string_view details;  // further sentences below the usage; may be empty
  std::string_view example;  // one line that works as it is: "heed tokens \"Hello world\""
  bool computes = true;      // has --threads and --json
};

/// Adds a command with the options all commands have (--threads, --json, --quiet, --no-color).
/// `run` is called after parsing, when those are in force. Throw heed::Error for the user's faults.
CLI::App& add_command(CLI::App& root, Context& context, const CommandText& text,
                      std::function<void()> run);

/// What is wrong with an option's value; empty: nothing.
using OptionCheck = std::function<std::string(const std::string& given)>;
/// A whole number from least to most, where CLI11 itself takes one that is larger than its type for
/// the largest there is.
OptionCheck whole_number(uint64_t least, uint64_t most);
/// A text, for options whose empty one would read as if they were not given. needed: what the help
/// says it is, "FILE".
OptionCheck not_empty(const std::string& needed);

/// --model NAME|FOLDER; default $HEED_MODEL, else all-MiniLM-L6-v2. Of a command that needs a model
/// of another kind ("A classifier of texts") it is required where HEED_MODEL names none.
void add_model_option(CLI::App& command, Context& context, const std::string& kind = {});
/// --batch N, for commands that compute several inputs at once.
void add_batch_option(CLI::App& command, Context& context);
/// --seed N, for commands that draw random numbers.
void add_seed_option(CLI::App& command, Context& context);

/// Writes to standard output and checks that it got there: Error io_failure for a full disk; a
/// closed pipe ends the program as SIGPIPE does, once destructors have removed temporary files.
void print(std::string_view text);
/// Flushes what print() wrote, with the same checks; main calls it at the end.
void flush_output();

/// Thrown by print() when the reader of our output has gone; only main catches it.
struct OutputClosed {};

}  // namespace heed::cli
