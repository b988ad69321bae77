#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "cli/help.h"
#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

constexpr const char* kDefaultModel = "sentence-transformers/all-MiniLM-L6-v2";
constexpr const char* kEveryCommand = "Options of every command";

[[noreturn]] void fail_output(int reason) {
  if (reason == EPIPE) throw OutputClosed{};
  throw Error(ErrorCode::io_failure,
              std::string("standard output: cannot write: ") + std::strerror(reason));
}

}  // namespace

OptionCheck whole_number(uint64_t least, uint64_t most) {
  return [least, most](const std::string& given) -> std::string {
    uint64_t number = 0;
    const char* end = given.data() + given.size();
    const auto read = std::from_chars(given.data(), end, number);
    if (read.ec == std::errc() && read.ptr == end && number >= least && number <= most) return "";
    return "needed a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
           ", found " + in_quotes(given);
  };
}

OptionCheck not_empty(const std::string& needed) {
  return [needed](const std::string& given) -> std::string {
    return given.empty() ? "needed " + needed + ", found nothing" : "";
  };
}

CLI::App& add_command(CLI::App& root, Context& context, const CommandText& text,
                      std::function<void()> run) {
  CLI::App& command = *root.add_subcommand(std::string(text.name), std::string(text.summary));
  command.formatter(std::make_shared<HelpFormatter>(std::string(text.details)));
  command.group("Commands");
  command.footer("Example:\n  " + std::string(text.example));
  command.set_help_flag("-h,--help", "Print this help.");
  command.option_defaults()->always_capture_default();
  if (text.computes) {
    command.add_option("--threads", context.threads, "Compute on N threads; 0 is all processors.")
        ->type_name("N")
        ->check(whole_number(0, 4096))
        ->group(kEveryCommand);
    command.add_flag("--json", context.json, "Print one JSON object a line.")->group(kEveryCommand);
  }
  command.add_flag("--quiet", context.quiet, "Print no progress, notes or warnings.")
      ->group(kEveryCommand);
  command.add_flag("--no-color", context.no_color, "Use no colours (as NO_COLOR=1 does).")
      ->group(kEveryCommand);
  command.callback([&context, run = std::move(run)] { context.action = run; });
  return command;
}

void add_model_option(CLI::App& command, Context& context, const std::string& kind) {
  const char* chosen = std::getenv("HEED_MODEL");
  const bool chooses = chosen != nullptr && *chosen != '\0';
  context.model = chooses ? chosen : kDefaultModel;
  CLI::Option* model =
      command
          .add_option("--model", context.model,
                      (kind.empty() ? "A model's name" : kind + ": its name") +
                          " in the hub's cache, its folder, or a GGUF file. HEED_MODEL sets the "
                          "default.")
          ->type_name("NAME|FOLDER|FILE.gguf");
  if (!kind.empty() && !chooses) model->default_str("")->required();
}

void add_batch_option(CLI::App& command, Context& context) {
  command.add_option("--batch", context.batch, "Compute N inputs at once.")
      ->type_name("N")
      ->check(whole_number(1, uint64_t{1} << 20));
}

void add_seed_option(CLI::App& command, Context& context) {
  command.add_option("--seed", context.seed, "Seed of the random numbers.")
      ->type_name("N")
      ->check(whole_number(0, UINT64_MAX));
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output(errno);
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail_output(errno);
}

}  // namespace heed::cli
