// heed train: a model learns from files.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/train_show.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/parallel.h"
#include "heed/dist/group.h"
#include "heed/train/config.h"
#include "heed/train/together.h"
#include "heed/train/trainer.h"

namespace heed::cli {
namespace {

struct Options {
  std::string task;
  std::string config;
  bool resume = false;
  std::map<std::string, std::vector<std::string>> given;  // settings by name, as on the line
};

std::string flag_of(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ",") + value;
  return text;
}

/// The file's settings, then what the command line changes of them.
TrainConfig settings_of(const Context& context, const Options& options, bool seed_given) {
  TrainConfig settings;
  if (!options.config.empty()) read_train_config(settings, options.config);
  if (!options.task.empty()) set_field(settings, "task", options.task);
  if (seed_given) set_field(settings, "seed", std::to_string(context.seed));
  for (const auto& [name, values] : options.given) set_field(settings, name, joined(values));
  return settings;
}

void add_setting(CLI::App& command, const TrainField& field, Options& options) {
  const std::string name(field.name);
  const std::string help(field.help);
  const std::string flag = name == "watch_text" ? "--watch," + flag_of(name) : flag_of(name);
  if (std::holds_alternative<bool TrainConfig::*>(field.member)) {
    command.add_flag_function(
        flag,
        [&options, name](int64_t count) { options.given[name] = {count > 0 ? "true" : "false"}; },
        help);
    return;
  }
  const bool list = std::holds_alternative<std::vector<std::string> TrainConfig::*>(field.member);
  CLI::Option* option = command.add_option_function<std::vector<std::string>>(
      flag,
      [&options, name](const std::vector<std::string>& values) { options.given[name] = values; },
      help);
  option->expected(1, list ? CLI::detail::expected_max_vector_size : 1);
  const bool text = std::holds_alternative<std::string TrainConfig::*>(field.member);
  option->type_name(list ? "NAME..." : text ? "X" : "N")->default_str(default_text(field));
  if (!field.choices.empty()) {
    option->check(
        CLI::IsMember(std::vector<std::string>(field.choices.begin(), field.choices.end())));
  }
}

/// Each process of several takes its share of the machine, unless told otherwise; one of them
/// talks.
void settle(const Context& context, const Group& group) {
  if (group.size() == 1) return;
  const bool told = context.threads > 0 || std::getenv("HEED_NUM_THREADS") != nullptr;
  if (!told) set_num_threads(group.processors());
  if (!group.is_first()) set_log_sink({});
}

void run_train(const Context& context, const Options& options, bool seed_given) {
  const std::unique_ptr<Group> group = make_group();
  settle(context, *group);
  const TrainConfig settings =
      together(*group, [&] { return settings_of(context, options, seed_given); });
  if (!group->is_first()) {
    TrainListener silent;
    train(settings, options.resume, silent, *group);
    return;
  }
  TrainShow show(context, settings);
  show.ended(train(settings, options.resume, show, *group));
}

}  // namespace

void add_train(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  const auto seed_option = std::make_shared<CLI::Option*>(nullptr);
  CLI::App& command = add_command(
      root, context,
      {.name = "train",
       .summary = "Train a model on files: a language model, a translator, a classifier, a finder "
                  "of names.",
       .details = "A short YAML holds the settings, or flags of the same names, which win over it. "
                  "Ctrl-C finishes the step and saves; --resume goes on to the same bits as a run "
                  "without a stop. Under mpirun -n N, N processes share the work. The result is a "
                  "folder as on the hub: other commands take it as "
                  "--model, and transformers loads it.",
       .example = "heed train lm --data shakespeare.txt --tokenizer characters --width 128 --out "
                  "shakespeare"},
      [&context, options, seed_option] {
        run_train(context, *options, (*seed_option)->count() > 0);
      });
  // checked with the settings, so that a misspelt option before it is told of first
  command.add_option("TASK", options->task, "lm, translate, seq2seq, classify, ner or mlm.");
  command.add_option("--config", options->config, "YAML of the settings below.")->type_name("F");
  command.add_flag("--resume", options->resume,
                   "Go on with the run in --out where its newest checkpoint ends.");
  for (const TrainField& field : train_fields()) {
    if (field.name != "task" && field.name != "seed") add_setting(command, field, *options);
  }
  add_seed_option(command, context);
  *seed_option = command.get_option("--seed");
}

}  // namespace heed::cli
