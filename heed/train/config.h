#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "heed/train/optimizer.h"
#include "heed/train/schedule.h"

namespace heed {

/// What `heed train` is told: a short YAML of these names, each also a flag (--batch,
/// --warmup-steps). train_fields() says what each means, its unit, its range and what 0 or ""
/// stands for.
struct TrainConfig {
  std::string task;
  std::string data;
  std::string validation;
  double validation_part = 0.1;
  std::string out;
  std::string tokenizer;
  int64_t vocab = 0;
  std::string text_column = "text";
  std::string label_column = "label";
  std::string pair_column;
  std::string source_column = "source";
  std::string target_column = "target";
  std::string source_prefix;
  bool skip_bad = false;

  std::string model;
  int64_t layers = 6;
  int64_t heads = 8;
  int64_t width = 512;
  int64_t feed_forward = 0;
  bool norm_first = false;
  bool separate_embeddings = false;
  double dropout = 0.1;
  double mask_part = 0.15;

  int64_t batch = 32;
  int64_t batch_tokens = 0;
  int64_t block = 128;
  int64_t accumulate = 1;
  int64_t steps = 0;
  double epochs = 0;
  double label_smoothing = 0;
  std::string precision = "f32";
  bool recompute = false;

  std::string optimizer = "adamw";
  double momentum = 0.9;
  bool nesterov = false;
  double beta1 = -1;
  double beta2 = -1;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  double clip = 1;
  std::string schedule = "linear";
  double learning_rate = 0;
  double floor_rate = 0;
  int64_t warmup_steps = 0;

  std::vector<std::string> freeze;
  double layer_rate_decay = 1;
  int64_t lora_rank = 0;
  double lora_alpha = 0;

  std::vector<std::string> lora_targets;
  bool lora_merge = false;

  uint64_t seed = 0;
  int64_t eval_every = 0;
  int64_t eval_batches = 0;
  int64_t save_every = 0;
  int64_t keep = 3;
  int64_t patience = 0;
  int64_t log_every = 10;
  int64_t skip_nan = 0;
  bool tensorboard = false;

  int64_t watch_every = 0;
  std::string watch_text;
  std::string watch_target;
  std::string watch_attention = "cross";
  std::vector<std::string> watch_heads;

  /// The names that were set, by file or flag: tells a default from a wish.
  std::set<std::string, std::less<>> given;
  bool has(std::string_view name) const { return given.contains(name); }
};

/// One setting: how it is called, where it lies, what it may be.
struct TrainField {
  using Member = std::variant<std::string TrainConfig::*, int64_t TrainConfig::*,
                              uint64_t TrainConfig::*, double TrainConfig::*, bool TrainConfig::*,
                              std::vector<std::string> TrainConfig::*>;
  std::string_view name;  // "warmup_steps"; the flag is --warmup-steps
  Member member;
  std::string_view help;  // a sentence with its unit and default
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::vector<std::string_view> choices = {};  // of a string; empty: any
  bool may_change = false;  // when a run is resumed: how far it goes (and with it rates that fall
                            // to its end) or what is told of it depends on it, or it is a path
                            // whose content is compared instead
};

/// All settings, in the order in which help lists them.
const std::vector<TrainField>& train_fields();

/// What a setting is when nothing is said, as help tells it; "" for a text or a list that is empty.
std::string default_text(const TrainField& field);

/// Sets one by its name, dashes or underscores, from text as YAML writes it ("3e-4", "true", "[a,
/// b]"; a list also as "a,b"). Error invalid_argument names the nearest settings for an unknown
/// name, and what is needed for a value of another type or out of range.
void set_field(TrainConfig& config, std::string_view name, std::string_view value);

/// Reads a YAML mapping of names to values over config. Error corrupt_data (not YAML) or
/// invalid_argument (a name, a value) with the line; `where` begins the message.
void parse_train_config(TrainConfig& config, std::string_view yaml, const std::string& where);
void read_train_config(TrainConfig& config, const std::filesystem::path& path);

/// The settings as YAML that parse_train_config reads back equal, the defaults as comments: what a
/// run keeps of itself.
std::string to_yaml(const TrainConfig& config);

/// Error invalid_argument for a setting that was given and that nothing would come of, with what it
/// needs: mask_part the task mlm, width a new model. One that is 0, false or empty asks for
/// nothing.
void check_uses(const TrainConfig& config);

OptimizerOptions optimizer_options(const TrainConfig& config);
/// total_steps: updates of the whole run; width: the model's, which noam takes.
ScheduleOptions schedule_options(const TrainConfig& config, int64_t total_steps, int64_t width);

}  // namespace heed
