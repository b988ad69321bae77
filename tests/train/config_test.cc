#include "heed/train/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

TrainConfig parsed(std::string_view yaml) {
  TrainConfig config;
  parse_train_config(config, yaml, "run.yaml");
  return config;
}

void expect_refused(std::string_view yaml, std::initializer_list<std::string_view> why,
                    ErrorCode code = ErrorCode::invalid_argument) {
  expect_error(code, why, [&] { parsed(yaml); });
}

TEST(TrainConfig, ReadsEveryKindOfValue) {
  const TrainConfig config = parsed(
      "# a short run\n"
      "task: lm\n"
      "data: 'corpora/a b.txt'\n"
      "steps: 2e3\n"
      "learning_rate: 1e-3\n"
      "seed: 18446744073709551615\n"
      "skip_bad: true\n"
      "freeze: [embeddings, encoder.layer.0]\n"
      "watch_heads:\n  - \"0.1\"\n  - 2.3\n");
  EXPECT_EQ(config.task, "lm");
  EXPECT_EQ(config.data, "corpora/a b.txt");
  EXPECT_EQ(config.steps, 2000);
  EXPECT_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.seed, UINT64_MAX);
  EXPECT_TRUE(config.skip_bad);
  EXPECT_EQ(config.freeze, (std::vector<std::string>{"embeddings", "encoder.layer.0"}));
  EXPECT_EQ(config.watch_heads, (std::vector<std::string>{"0.1", "2.3"}));
  EXPECT_TRUE(config.has("steps"));
  EXPECT_FALSE(config.has("epochs"));
}

TEST(TrainConfig, AnEmptyFileChangesNothing) {
  for (const char* yaml : {"", "\n", "# nothing\n", "---\n"}) {
    EXPECT_EQ(to_yaml(parsed(yaml)), to_yaml(TrainConfig())) << yaml;
  }
}

TEST(TrainConfig, FlagsAreTheSameNamesWithDashes) {
  TrainConfig config = parsed("batch: 8\nwarmup_steps: 5\n");
  set_field(config, "warmup-steps", "100");
  set_field(config, "lora-targets", "query, value");
  set_field(config, "freeze", "[a, b]");
  set_field(config, "watch-text", "one: two, [three]");
  EXPECT_EQ(config.batch, 8);
  EXPECT_EQ(config.warmup_steps, 100);
  EXPECT_EQ(config.lora_targets, (std::vector<std::string>{"query", "value"}));
  EXPECT_EQ(config.freeze, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.watch_text, "one: two, [three]");
}

TEST(TrainConfig, WritesItselfSoThatItReadsBackEqual) {
  TrainConfig config;
  set_field(config, "task", "translate");
  set_field(config, "data", "a \"b\" \\ # \xc3\xa9\ttext: yes");
  set_field(config, "learning_rate", "0.1");
  set_field(config, "freeze", "a,b c,#d");
  set_field(config, "nesterov", "yes");
  const std::string yaml = to_yaml(config);
  const TrainConfig again = parsed(yaml);
  EXPECT_EQ(to_yaml(again), yaml);
  EXPECT_EQ(again.data, config.data);
  EXPECT_EQ(again.freeze, config.freeze);
  EXPECT_EQ(again.given, config.given);
  EXPECT_NE(yaml.find("# batch: 32\n"), std::string::npos);
}

TEST(TrainConfig, NamesTheNearestSettingForAnUnknownOne) {
  expect_refused("task: lm\nlerning_rate: 1e-3\n",
                 {"run.yaml, line 2: ", "no setting 'lerning_rate'", "did you mean learning_rate"});
  expect_refused("warmup: 3\n", {"line 1", "warmup_steps"});
  TrainConfig config;
  expect_refused("lr: 1e-3\n", {"no setting 'lr'; did you mean learning_rate"});
  expect_error(ErrorCode::invalid_argument, {"no setting 'qqqqqq'; heed train --help lists them"},
               [&] { set_field(config, "qqqqqq", "1"); });
}

TEST(TrainConfig, SaysWhatAValueMustBe) {
  expect_refused("task: dance\n", {"line 1", "task must be one of lm, translate", "'dance'"});
  expect_refused("batch: many\n", {"batch must be a whole number, found 'many'"});
  expect_refused("batch: 1.5\n", {"batch must be a whole number, found '1.5'"});
  expect_refused("batch: 0\n", {"batch must be from 1 to"});
  expect_refused("batch: [1, 2]\n", {"batch must be a whole number, found a list"});
  expect_refused("seed: 1\nbatch:\n\nsteps: 1\n",
                 {"run.yaml, line 2: batch must be a whole number, found ''"});
  expect_refused("steps: -1\n", {"steps must be 0 or more, found '-1'"});
  expect_refused("dropout: 1\n", {"dropout must be from 0 to 0.99, found '1'"});
  expect_refused("dropout: .nan\n", {"dropout must be a number"});
  expect_refused("dropout: inf\n", {"dropout must be a number"});
  expect_refused("seed: -1\n", {"seed must be a whole number from 0 on"});
  expect_refused("nesterov: maybe\n", {"nesterov must be true or false, found 'maybe'"});
  expect_refused("data: \"\\xff\"\ndata: x\n", {"line 2", "'data' is set twice"});
  expect_refused("freeze: [[a]]\n", {"needed a list of texts"});
  expect_refused("data: {a: b}\n", {"'data' needs one value, found a mapping"});
  TrainConfig config;
  expect_error(ErrorCode::invalid_argument, {"data must be UTF-8"},
               [&] { set_field(config, "data", "\xff"); });
}

TEST(TrainConfig, RefusesWhatIsNotYaml) {
  expect_refused("task: [lm\n", {"run.yaml", "not YAML"}, ErrorCode::corrupt_data);
  expect_refused("a: b: c\n", {"line 1", "not YAML"}, ErrorCode::corrupt_data);
  expect_refused("- task\n", {"\"name: value\""});
  expect_refused("just words\n", {"\"name: value\""});
  expect_refused(std::string(70000, '#'), {"at most 65536 bytes, found 70000"},
                 ErrorCode::corrupt_data);
}

TEST(TrainConfig, AnErrorChangesNothing) {
  TrainConfig config;
  EXPECT_THROW(parse_train_config(config, "batch: 7\nblock: x\n", "run.yaml"), Error);
  EXPECT_EQ(to_yaml(config), to_yaml(TrainConfig()));
}

TEST(TrainConfig, WhatNothingWouldComeOfIsRefused) {
  using Given = std::vector<std::pair<const char*, const char*>>;
  const auto config_of = [](const Given& given) {
    TrainConfig config;
    for (const auto& [name, value] : given) set_field(config, name, value);
    return config;
  };
  const auto refused = [&](const Given& given, std::string_view message) {
    expect_error(ErrorCode::invalid_argument, {message}, [&] { check_uses(config_of(given)); });
  };
  refused({{"task", "lm"}, {"mask_part", "0.2"}},
          "mask_part needs the task mlm, found the task lm");
  refused({{"task", "lm"}, {"text_column", "a"}}, "text_column needs the task classify");
  refused({{"task", "lm"}, {"momentum", "0.5"}},
          "momentum needs the optimizer sgd, found the optimizer adamw");
  refused({{"task", "lm"}, {"nesterov", "true"}}, "nesterov needs the optimizer sgd");
  refused({{"task", "lm"}, {"floor_rate", "1e-5"}},
          "floor_rate needs the schedule cosine, found the schedule linear");
  refused({{"task", "lm"}, {"norm_first", "true"}}, "norm_first needs the task translate");
  refused({{"task", "lm"}, {"batch_tokens", "99"}}, "batch_tokens needs another task");
  refused({{"task", "classify"}, {"model", "m"}, {"width", "64"}},
          "width needs a new model, found model m");
  refused({{"task", "mlm"}, {"model", "m"}, {"vocab", "99"}}, "vocab needs a tokenizer");
  refused({{"task", "lm"}, {"validation_part", "0"}, {"patience", "3"}},
          "patience needs data to measure on");
  refused({{"task", "lm"}, {"lora_alpha", "4"}}, "lora_alpha needs low-rank updates (lora_rank)");
  refused({{"task", "lm"}, {"lora_rank", "4"}}, "low-rank updates (--model)");
  refused({{"task", "translate"}, {"watch_every", "4"}, {"watch_text", "a"}},
          "watch_text needs what a translator is to make of it (--watch-target), found none");
  refused({{"task", "translate"}, {"watch_every", "4"}, {"watch_target", "a"}},
          "watch_target needs the source");
  refused({{"task", "seq2seq"},
           {"watch_every", "4"},
           {"watch_text", "a"},
           {"watch_target", "a"},
           {"watch_attention", "encoder"}},
          "watch_target needs watch_attention decoder or cross, found encoder");
  refused({{"task", "translate"}, {"watch_attention", "encoder"}}, "to be told how often");
  refused({{"task", "lm"}, {"watch_every", "4"}, {"watch_attention", "encoder"}},
          "watch_attention needs the task translate or seq2seq, found the task lm");
  check_uses(config_of({{"task", "translate"},
                        {"watch_every", "4"},
                        {"watch_text", "a"},
                        {"watch_attention", "encoder"}}));
  check_uses(config_of({{"task", "lm"}, {"nesterov", "false"}, {"batch_tokens", "0"}}));
  check_uses(config_of({{"task", "mlm"}, {"model", "m"}, {"tokenizer", "bpe"}, {"vocab", "99"}}));
  check_uses(config_of({{"optimizer", "sgd"},
                        {"momentum", "0"},
                        {"schedule", "cosine"},
                        {"floor_rate", "1e-5"},
                        {"task", "lm"},
                        {"epochs", "2"}}));
}

TEST(TrainConfig, ReadsAFile) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "run.yaml") << "batch: 3\n";
  TrainConfig config;
  read_train_config(config, folder / "run.yaml");
  EXPECT_EQ(config.batch, 3);
  expect_error(ErrorCode::not_found, {"missing.yaml"},
               [&] { read_train_config(config, folder / "missing.yaml"); });
}

TEST(TrainConfig, DefaultsLieInTheirRanges) {
  for (const TrainField& field : train_fields()) {
    const auto expect_inside = [&](double value) {
      EXPECT_GE(value, field.least) << field.name;
      EXPECT_LE(value, field.most) << field.name;
    };
    const TrainConfig config;
    if (const auto* number = std::get_if<double TrainConfig::*>(&field.member)) {
      expect_inside(config.**number);
    } else if (const auto* count = std::get_if<int64_t TrainConfig::*>(&field.member)) {
      expect_inside(static_cast<double>(config.**count));
    }
    EXPECT_TRUE(field.help.ends_with('.')) << field.name;
  }
}

TEST(TrainConfig, DefaultsAreToldAsTheyAreRead) {
  TrainConfig config;
  std::map<std::string_view, std::string> told;
  for (const TrainField& field : train_fields()) {
    const std::string text = told[field.name] = default_text(field);
    if (!text.empty()) set_field(config, field.name, text);
  }
  EXPECT_EQ(told["batch"], "32");
  EXPECT_EQ(told["optimizer"], "adamw");
  EXPECT_EQ(told["freeze"], "");
  EXPECT_EQ(told["model"], "");
  config.given.clear();
  EXPECT_EQ(to_yaml(config), to_yaml(TrainConfig()));
}

TEST(TrainConfig, OptimizersTakeTheirAuthorsDefaults) {
  const auto options = [](const char* yaml) { return optimizer_options(parsed(yaml)); };
  EXPECT_EQ(options("").kind, OptimizerKind::adamw);
  EXPECT_EQ(options("").beta2, 0.999);
  EXPECT_EQ(options("optimizer: lion").beta2, 0.99);
  EXPECT_EQ(options("optimizer: adafactor").beta1, 0);
  EXPECT_EQ(options("optimizer: adamw\nbeta2: 0.95").beta2, 0.95);
  EXPECT_EQ(options("optimizer: sgd").momentum, 0.9);
  EXPECT_EQ(options("optimizer: adamw\nnesterov: true").nesterov, false);
}

TEST(TrainConfig, SchedulesTakeTheRunsLength) {
  const ScheduleOptions cosine = schedule_options(
      parsed("schedule: cosine\nlearning_rate: 1e-3\nfloor_rate: 1e-4\nwarmup_steps: 100"), 2000,
      384);
  EXPECT_EQ(cosine.kind, ScheduleKind::cosine);
  EXPECT_EQ(cosine.peak, 1e-3);
  EXPECT_EQ(cosine.floor, 1e-4);
  EXPECT_EQ(cosine.warmup_steps, 100);
  EXPECT_EQ(cosine.total_steps, 2000);
  EXPECT_EQ(schedule_options(parsed(""), 10, 1).peak, 3e-4);
  EXPECT_EQ(schedule_options(parsed("schedule: noam"), 10, 512).peak, 1);
}

}  // namespace
}  // namespace heed
