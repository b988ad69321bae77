// What a setting needs of the others to have an effect.

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/train/config.h"
#include "heed/train/task_base.h"

namespace heed {
namespace {

using Config = const TrainConfig&;

bool is_one_of(std::string_view value, std::initializer_list<std::string_view> choices) {
  return std::ranges::find(choices, value) != choices.end();
}

std::string its_task(Config c) { return "the task " + c.task; }
std::string its_model(Config c) { return c.model.empty() ? "a new one" : "model " + c.model; }
std::string its_optimizer(Config c) { return "the optimizer " + c.optimizer; }
std::string nothing(Config /*c*/) { return "none"; }

bool makes_texts(Config c) { return is_one_of(c.task, {"translate", "seq2seq"}); }
bool watches_targets(Config c) { return makes_texts(c) && c.watch_attention != "encoder"; }

/// Settings, when they have an effect, what that is in words, and what there is instead.
struct Use {
  std::vector<std::string_view> names;
  bool (*holds)(Config);
  std::string_view needs;
  std::string (*found)(Config);
};

const std::vector<Use>& uses() {
  static const std::vector<Use> all = {
      {{"mask_part"}, [](Config c) { return c.task == "mlm"; }, "the task mlm", its_task},
      {{"text_column", "label_column", "pair_column"},
       [](Config c) { return c.task == "classify"; },
       "the task classify",
       its_task},
      {{"source_column", "target_column", "source_prefix", "watch_target", "watch_attention"},
       makes_texts,
       "the task translate or seq2seq",
       its_task},
      {{"skip_bad"},
       [](Config c) {
         return !is_one_of(c.task, {"lm", "mlm"});
       },
       "data in rows",
       its_task},
      {{"batch_tokens"}, [](Config c) { return c.task != "lm"; }, "another task", its_task},
      {{"norm_first", "separate_embeddings"},
       [](Config c) { return c.task == "translate"; },
       "the task translate",
       its_task},
      {{"layers", "heads", "width", "feed_forward", "norm_first", "separate_embeddings"},
       [](Config c) { return c.model.empty(); },
       "a new model",
       its_model},
      {{"vocab"},
       learns_tokenizer,
       "a tokenizer that is learnt (characters, bpe, wordpiece or unigram)",
       [](Config c) { return c.tokenizer.empty() ? "that of " + its_model(c) : c.tokenizer; }},
      {{"momentum", "nesterov"},
       [](Config c) { return c.optimizer == "sgd"; },
       "the optimizer sgd",
       its_optimizer},
      {{"beta1"},
       [](Config c) { return c.optimizer != "sgd"; },
       "another optimizer",
       its_optimizer},
      {{"beta2"},
       [](Config c) {
         return is_one_of(c.optimizer, {"adam", "adamw", "lion"});
       },
       "the optimizer adam, adamw or lion",
       its_optimizer},
      {{"epsilon"},
       [](Config c) {
         return is_one_of(c.optimizer, {"adam", "adamw"});
       },
       "the optimizer adam or adamw",
       its_optimizer},
      {{"floor_rate"},
       [](Config c) { return c.schedule == "cosine"; },
       "the schedule cosine",
       [](Config c) { return "the schedule " + c.schedule; }},
      {{"epochs"},
       [](Config c) { return c.steps == 0; },
       "a run that does not go by steps",
       [](Config c) { return fmt::format("steps {}", c.steps); }},
      {{"validation_part"},
       [](Config c) { return c.validation.empty(); },
       "a run without a file for validation",
       [](Config c) { return c.validation; }},
      {{"eval_every", "eval_batches", "patience"},
       [](Config c) { return !c.validation.empty() || c.validation_part > 0; },
       "data to measure on (validation, or a validation_part above 0)",
       nothing},
      {{"lora_alpha", "lora_targets", "lora_merge"},
       [](Config c) { return c.has("lora_rank"); },
       "low-rank updates (lora_rank)",
       nothing},
      {{"lora_rank"},
       [](Config c) { return !c.model.empty(); },
       "a model to change by low-rank updates (--model)",
       its_model},
      {{"watch_text", "watch_heads", "watch_target", "watch_attention"},
       [](Config c) { return c.has("watch_every"); },
       "to be told how often to look (--watch-every 100)",
       nothing},
      {{"watch_target"},
       watches_targets,
       "watch_attention decoder or cross",
       [](Config c) { return c.watch_attention; }},
      {{"watch_target"},
       [](Config c) { return !c.watch_text.empty(); },
       "the source that it is made of (--watch)",
       nothing},
      {{"watch_text"},
       [](Config c) { return !watches_targets(c) || !c.watch_target.empty(); },
       "what a translator is to make of it (--watch-target)",
       nothing},
  };
  return all;
}

/// Whether a setting is asked to do nothing: then nothing is missing.
struct IsOff {
  Config config;
  bool operator()(std::string TrainConfig::*member) const { return (config.*member).empty(); }
  bool operator()(std::vector<std::string> TrainConfig::*member) const {
    return (config.*member).empty();
  }
  template <class Number>
  bool operator()(Number TrainConfig::*member) const {
    return config.*member == Number{};
  }
};

}  // namespace

void check_uses(const TrainConfig& config) {
  for (const TrainField& field : train_fields()) {
    if (!config.has(field.name) || std::visit(IsOff{config}, field.member)) continue;
    for (const Use& use : uses()) {
      if (std::ranges::find(use.names, field.name) == use.names.end() || use.holds(config))
        continue;
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("train: {} needs {}, found {}", field.name, use.needs, use.found(config)));
    }
  }
}

}  // namespace heed
