#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "heed/text/train_tokenizer.h"
#include "heed/train/model_start.h"
#include "heed/train/task.h"

namespace heed {

/// Whether the settings ask for a tokenizer that is learnt from the data.
bool learns_tokenizer(const TrainConfig& settings);

/// A tokenizer and the files that it is.
struct TaskTokenizer {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::map<std::string, std::string> files;  // content by name: "tokenizer.json"

  /// Gives a tokenizer that is learnt the texts that it is learnt from.
  using Texts = std::function<void(TokenizerTrainer& trainer)>;

  /// The one that the settings name, else the model's, else one learnt from the data: `usual` says
  /// how, settings.tokenizer ("characters", "bpe", "wordpiece", "unigram") and settings.vocab what
  /// to change.
  static TaskTokenizer choose(const TrainConfig& settings, TokenizerTraining usual,
                              const Texts& texts);
  void write(const std::filesystem::path& folder) const;
};

/// What all tasks have in common: settings, tokenizer, where the model comes from.
class TaskBase : public TrainTask {
 public:
  explicit TaskBase(const TrainConfig& settings) : settings_(settings) {}

  InitRule init_rule() const override { return init_rule_of(start_.config); }
  const ModelStart& start() const override { return start_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_.tokenizer; }
  void write_text_files(const std::filesystem::path& folder) const override;
  Json identity() const override;

 protected:
  const TrainConfig& settings() const { return settings_; }
  const std::shared_ptr<const Tokenizer>& shared_tokenizer() const { return tokenizer_.tokenizer; }
  void use(TaskTokenizer tokenizer) { tokenizer_ = std::move(tokenizer); }
  void begin_from(ModelStart start);
  ConfigReader model_config() const { return config_of(start_); }
  /// Encodes rows 0 to count - 1 on all threads, each as `one` does. Error cancelled.
  std::vector<Encoding> encode(int64_t count, const std::function<Encoding(size_t row)>& one) const;

 private:
  TrainConfig settings_;
  TaskTokenizer tokenizer_;
  ModelStart start_;
  std::map<std::string, std::string> writing_;  // kWritingFiles of the checkpoint by name
};

/// A text file's lines, each with its end, for a tokenizer that is learnt. Error invalid_argument
/// for a file of ids, which tell nothing of the text that they were.
void add_lines(const std::string& file, TokenizerTrainer& trainer);

// The tasks by name. Each reads its data and chooses its model; bad rows go to `bad`.
std::unique_ptr<TrainTask> make_text_task(const TrainConfig& settings);  // lm
std::unique_ptr<TrainTask> make_classify_task(const TrainConfig& settings, BadRows& bad);
std::unique_ptr<TrainTask> make_ner_task(const TrainConfig& settings, BadRows& bad);
std::unique_ptr<TrainTask> make_masked_task(const TrainConfig& settings);  // mlm
std::unique_ptr<TrainTask> make_translate_task(const TrainConfig& settings,
                                               BadRows& bad);  // translate, seq2seq

}  // namespace heed
