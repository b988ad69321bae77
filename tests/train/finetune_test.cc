// Encoders that learn a task from a checkpoint, beside PyTorch and transformers
// (tools/make_finetune_goldens.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "heed/base/cancel.h"
#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/train/bad_rows.h"
#include "heed/train/task.h"
#include "heed/train/trainer.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::golden_folder;
using testing::TemporaryFolder;

struct Losses : TrainListener {
  std::vector<double> seen;
  void progressed(const TrainStatus& status) override { seen.push_back(status.loss); }
};

/// A golden's start as a checkpoint, its data, and a run's settings.
class FineTuning {
 public:
  FineTuning(const Json& settings, const Json& one) {
    const std::filesystem::path from = golden_folder() / one["folder"].get<std::string>();
    Json config = read_json(from / "config.json");
    config.update(one["changes"]);
    std::filesystem::create_directory(folder_ / "start");
    write_file(folder_ / "start/config.json", config.dump());
    std::filesystem::copy(from / "model.safetensors", folder_ / "start");
    std::filesystem::copy(golden_folder() / one["tokenizer"].get<std::string>() / "tokenizer.json",
                          folder_ / "start");
    const std::string task = one["task"].get<std::string>();
    const std::string data = folder_ / ("rows" + std::string(task == "classify" ? ".csv" : ".txt"));
    write_file(data, one["data"].get<std::string>());
    for (const auto& [name, value] : settings.items()) {
      if (name != "mask_part" || task == "mlm") set_field(config_, name, value.dump());
    }
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
             {"task", task},
             {"data", data},
             {"model", folder_ / "start"},
             {"out", out()},
             {"pair_column", one["pair_column"].get<std::string>()},
             {"batch", "8"},
             {"schedule", "constant"},
             {"dropout", "0"},
             {"validation_part", "0"},
             {"log_every", "1"}}) {
      set_field(config_, name, value);
    }
  }

  std::vector<double> run() {
    Losses losses;
    run(losses);
    return losses.seen;
  }
  TrainResult run(TrainListener& listener, bool resume = false) {
    const auto group = make_group();
    return train(config_, resume, listener, *group);
  }
  /// One update at that rate, judged by the data that it learns from.
  TrainResult first_update(double rate) {
    config_.validation = config_.data;
    config_.learning_rate = rate;
    config_.steps = 1;
    TrainListener nobody;
    return run(nobody);
  }
  /// The run resumed, and one update longer.
  TrainResult next_update() {
    ++config_.steps;
    TrainListener nobody;
    return run(nobody, /*resume=*/true);
  }
  /// What a resumed run must find unchanged.
  Json identity() const {
    BadRows bad;
    return make_task(config_, bad)->identity();
  }
  std::filesystem::path out() const { return folder_ / "out"; }
  TrainConfig& config() { return config_; }
  std::filesystem::path start() const { return folder_ / "start"; }
  /// The start's weights in other files, by what `file_of` says of each name.
  template <class FileOf>
  void move_weights(const FileOf& file_of) const {
    std::map<std::string, NamedTensors> files;
    {
      const Checkpoint all = Checkpoint::open(start());
      for (const auto& [name, entry] : all.entries()) {
        if (const std::string file = file_of(name); !file.empty()) {
          files[file].emplace_back(name, all.load(name).clone());
        }
      }
    }
    std::filesystem::remove(start() / "model.safetensors");
    Json index;
    for (const auto& [file, tensors] : files) {
      write_safetensors(start() / file, tensors);
      for (const auto& [name, tensor] : tensors) index["weight_map"][name] = file;
    }
    if (files.contains("model.safetensors")) return;
    write_file(start() / "model.safetensors.index.json", index.dump());
  }

 private:
  TemporaryFolder folder_;
  TrainConfig config_;
};

class FineTuningTest : public ::testing::Test {
 protected:
  const Json golden_ = read_json(golden_folder() / "finetune.json");

  FineTuning case_of(const std::string& name) const {
    for (const Json& one : golden_["cases"]) {
      if (one["class"] == name) return {golden_["settings"], one};
    }
    throw Error(ErrorCode::not_found, name);
  }
};

TEST_F(FineTuningTest, LossesAreAsNearToExactOnesAsTorchs) {
  for (const Json& one : golden_["cases"]) {
    const std::string name = one["class"].get<std::string>();
    FineTuning run(golden_["settings"], one);
    const std::vector<double> losses = run.run();
    const auto expected = one["losses"].get<std::vector<double>>();
    ASSERT_EQ(losses.size(), expected.size()) << name;
    // an f32 loss has an error of half its last bit at least, 3e-7 near 5
    const double most = 2 * std::max(one["error"].get<double>(), 3e-7);
    for (size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], most) << name << ", update " << i;
    }
    const Json config = read_json(run.out() / "config.json");
    EXPECT_EQ(config["architectures"], Json::array({name}));
    EXPECT_EQ(config["model_type"], one["changes"]["model_type"]);
  }
}

TEST_F(FineTuningTest, SeveralBatchesOfAnUpdateWeighAsOne) {
  // six sentences with different numbers of tags: in one batch, and in one of four and one of two
  const std::vector<double> together = case_of("BertForTokenClassification").run();
  FineTuning apart = case_of("BertForTokenClassification");
  set_field(apart.config(), "batch", "4");
  set_field(apart.config(), "accumulate", "2");
  const std::vector<double> found = apart.run();
  ASSERT_EQ(found.size(), together.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], together[i], 1e-6) << "update " << i;
  }
}

TEST_F(FineTuningTest, AnotherTasksHeadGoesAndTheEncoderStays) {
  const auto names_of = [](const FineTuning& run) {
    std::vector<std::string> names;
    const Checkpoint checkpoint = Checkpoint::open(run.out());
    for (const auto& [name, entry] : checkpoint.entries()) {
      if (name.find("embeddings") == name.npos && name.find("layer.") == name.npos) {
        names.push_back(name);
      }
    }
    return names;
  };
  // a masked model's folder learns to tag
  FineTuning tags = case_of("DistilBertForTokenClassification");
  std::filesystem::copy(golden_folder() / "encoder_distilbert_fill/model.safetensors",
                        tags.start() / "model.safetensors",
                        std::filesystem::copy_options::overwrite_existing);
  Json config = read_json(golden_folder() / "encoder_distilbert_fill/config.json");
  write_file(tags.start() / "config.json", config.dump());
  tags.run();
  EXPECT_EQ(names_of(tags), (std::vector<std::string>{"classifier.bias", "classifier.weight"}));

  // a tagger's encoder, without the prefix that it has below a head, learns to classify
  FineTuning classes = case_of("AlbertForSequenceClassification");
  const Checkpoint tagger = Checkpoint::open(golden_folder() / "encoder_albert_tag");
  NamedTensors bare;
  for (const auto& [name, entry] : tagger.entries()) {
    if (name.starts_with("albert.")) bare.emplace_back(name.substr(7), tagger.load(name));
  }
  write_safetensors(classes.start() / "model.safetensors", bare);
  classes.run();
  const std::vector<std::string> names = names_of(classes);
  for (const char* name :
       {"albert.pooler.weight", "albert.encoder.embedding_hidden_mapping_in.bias",
        "classifier.weight"}) {
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  }
}

TEST_F(FineTuningTest, TheSameLabelsInAnotherOrderKeepTheHead) {
  FineTuning run = case_of("BertForSequenceClassification");
  Json config = read_json(run.start() / "config.json");
  const Json reversed = {{"0", "kind 3"}, {"1", "kind 2"}, {"2", "kind 1"}, {"3", "kind 0"}};
  config["id2label"] = reversed;
  write_file(run.start() / "config.json", config.dump());
  BadRows bad;
  const auto task = make_task(run.config(), bad);
  EXPECT_EQ(task->start().config["id2label"], reversed);
  EXPECT_TRUE(task->start().weights.contains("classifier.weight"));
  DataPosition at;
  const Tensor targets = task->next(at).targets;  // two rows of kinds 0 and 1, one of 2 and 3
  EXPECT_EQ(std::ranges::count(targets.span<int32_t>(), 3), 2);
  EXPECT_EQ(std::ranges::count(targets.span<int32_t>(), 0), 1);
  config["id2label"]["0"] = "another";
  write_file(run.start() / "config.json", config.dump());
  const auto other = make_task(run.config(), bad);
  EXPECT_FALSE(other->start().weights.contains("classifier.weight"));
}

TEST_F(FineTuningTest, WhatWasTrueOfTheStartAloneIsNotSaidOfTheResult) {
  for (const char* name : {"BertForSequenceClassification", "BertForMaskedLM"}) {
    FineTuning run = case_of(name);
    Json config = read_json(run.start() / "config.json");
    config.update({{"dtype", "bfloat16"},
                   {"torch_dtype", "bfloat16"},
                   {"problem_type", "multi_label_classification"},
                   {"num_labels", 9}});
    write_file(run.start() / "config.json", config.dump());
    run.run();
    const Json result = read_json(run.out() / "config.json");
    EXPECT_FALSE(result.contains("dtype") || result.contains("torch_dtype")) << name;
    const bool labelled = config.contains("id2label");
    EXPECT_EQ(result.contains("problem_type"), !labelled) << name;
    EXPECT_EQ(result.contains("num_labels"), !labelled) << name;
  }
}

TEST_F(FineTuningTest, ALossThatIsNoNumberIsNeverTheBest) {
  FineTuning run = case_of("BertForSequenceClassification");
  EXPECT_FALSE(run.first_update(1e30).best);
  expect_error(ErrorCode::corrupt_data, {"is the first whose result is not finite"},
               [&] { run.next_update(); });
}

TEST_F(FineTuningTest, ARunWhosePerplexityIsBeyondAllNumbersGoesOn) {
  FineTuning run = case_of("BertForMaskedLM");
  const TrainResult first = run.first_update(300);
  ASSERT_TRUE(first.best);
  ASSERT_GT(first.best->loss, 1000);
  EXPECT_EQ(run.next_update().steps, 2);
}

TEST_F(FineTuningTest, DataMayGoWhileARunLasts) {
  struct Removing : TrainListener {
    std::filesystem::path data;
    int saved_folders = 0;
    void progressed(const TrainStatus& /*status*/) override { std::filesystem::remove(data); }
    void saved(int64_t /*step*/, const std::filesystem::path& /*folder*/) override {
      ++saved_folders;
    }
  };
  FineTuning run = case_of("BertForSequenceClassification");
  set_field(run.config(), "save_every", "2");
  Removing listener;
  listener.data = run.config().data;
  run.run(listener);
  EXPECT_FALSE(std::filesystem::exists(listener.data));
  EXPECT_EQ(listener.saved_folders, 3);  // after updates 2, 4 and 5
}

TEST_F(FineTuningTest, AStopWhileItIsWatchedIsSavedToo) {
  struct Stopping : TrainListener {
    void watched(int64_t step, const TrainTask& /*task*/) override {
      if (step < 2) return;
      request_cancel();
      check_cancelled();  // as a look does
    }
  };
  FineTuning run = case_of("BertForSequenceClassification");
  set_field(run.config(), "watch_every", "1");
  Stopping listener;
  const TrainResult result = run.run(listener);
  clear_cancel();
  EXPECT_EQ(result.end, TrainEnd::interrupted);
  EXPECT_EQ(result.steps, 2);
  EXPECT_TRUE(std::filesystem::exists(run.out() / "checkpoints/step-00000002/state.json"));
}

TEST_F(FineTuningTest, ATagThatIsNotLearntMakesARowForValidationBad) {
  FineTuning run = case_of("BertForTokenClassification");
  const testing::TemporaryFolder folder;
  write_file(folder / "valid.txt", "bad\tO\ncab\tB-person\n\njade\tB-alien\n");
  set_field(run.config(), "validation", (folder / "valid.txt").string());
  expect_error(ErrorCode::corrupt_data, {"valid.txt:4", "'B-alien'", "--skip-bad"},
               [&] { run.run(); });
  set_field(run.config(), "skip_bad", "true");
  EXPECT_EQ(run.run().size(), 5U);
}

TEST_F(FineTuningTest, ValidationNeedsSomethingToMeasureOn) {
  const testing::TemporaryFolder folder;
  write_file(folder / "none.csv", "text,label\n");
  write_file(folder / "one.txt", "a");
  FineTuning classes = case_of("BertForSequenceClassification");
  set_field(classes.config(), "validation", (folder / "none.csv").string());
  expect_error(ErrorCode::invalid_argument, {"none.csv", "at least 1 row to measure on, found 0"},
               [&] { classes.run(); });
  FineTuning masked = case_of("BertForMaskedLM");
  set_field(masked.config(), "validation", (folder / "one.txt").string());
  set_field(masked.config(), "mask_part", "0.01");
  expect_error(ErrorCode::invalid_argument, {"at least 1 hidden token", "found 0"},
               [&] { masked.run(); });
  TrainConfig text;
  write_file(folder / "text.txt", std::string(300, 'a'));
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"task", "lm"},
           {"tokenizer", "characters"},
           {"data", folder / "text.txt"},
           {"validation", folder / "one.txt"}}) {
    set_field(text, name, value);
  }
  BadRows bad;
  expect_error(ErrorCode::invalid_argument, {"one.txt", "at least 2 tokens", "found 1"},
               [&] { make_task(text, bad); });
}

TEST_F(FineTuningTest, WhatIsMeasuredIsNotSmoothed) {
  struct Measured : TrainListener {
    double loss = 0;
    void evaluated(int64_t /*step*/, const Evaluation& result, bool /*best*/) override {
      loss = result.loss;
    }
  };
  for (const char* name : {"BertForMaskedLM", "BertForTokenClassification"}) {
    const auto loss = [&](const char* smoothing) {
      FineTuning run = case_of(name);
      for (const auto& [setting, value] :
           std::initializer_list<std::pair<const char*, std::string>>{
               {"validation", run.config().data},
               {"learning_rate", "1e-30"},
               {"label_smoothing", smoothing}}) {
        set_field(run.config(), setting, value);
      }
      Measured measured;
      run.run(measured);
      return measured.loss;
    };
    EXPECT_EQ(loss("0.5"), loss("0")) << name;
  }
}

TEST_F(FineTuningTest, ARunKnowsEveryFileThatItIsOf) {
  FineTuning shards = case_of("BertForSequenceClassification");
  const Json whole = shards.identity();
  EXPECT_TRUE(whole["model"].contains("crc32c"));
  shards.move_weights([](const std::string& name) {
    return name.starts_with("bert.embeddings") ? "one.safetensors" : "two.safetensors";
  });
  const Json parts = shards.identity();
  for (const char* file : {"one.safetensors", "two.safetensors"}) {
    EXPECT_TRUE(parts["model"][file].contains("crc32c")) << parts["model"];
  }
  // two files of one name
  const testing::TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directory(folder / name);
    write_file(folder / name / "text.txt", name == std::string("a") ? "a\nb\n" : "b\ncc\n");
  }
  TrainConfig pairs;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"task", "translate"},
           {"tokenizer", "characters"},
           {"data", (folder / "a/text.txt").string() + "," + (folder / "b/text.txt").string()},
           {"validation_part", "0"}}) {
    set_field(pairs, name, value);
  }
  BadRows bad;
  EXPECT_EQ(make_task(pairs, bad)->identity()["data"].size(), 2U);
}

TEST_F(FineTuningTest, TheFolderOfTheModelIsNotThatOfTheResult) {
  FineTuning run = case_of("BertForSequenceClassification");
  const std::string before = read_file(run.start() / "config.json");
  set_field(run.config(), "out", run.start().string());
  expect_error(ErrorCode::invalid_argument, {"holds the model to start from", "--out"},
               [&] { run.run(); });
  EXPECT_EQ(read_file(run.start() / "config.json"), before);
  EXPECT_FALSE(std::filesystem::exists(run.start() / "checkpoints"));
}

TEST_F(FineTuningTest, WhatIsNewUnderAdaptersIsTrainedAndNamed) {
  FineTuning run = case_of("BertForSequenceClassification");
  run.move_weights([](const std::string& name) {
    return name.find("pooler") == name.npos ? "model.safetensors" : "";
  });
  set_field(run.config(), "lora_rank", "2");
  run.run();
  EXPECT_EQ(read_json(run.out() / "adapter_config.json")["modules_to_save"],
            Json::array({"bert.pooler.dense", "classifier"}));
  const Checkpoint state =
      Checkpoint::open(run.out() / "checkpoints/step-00000005/optimizer.safetensors");
  EXPECT_TRUE(state.contains("bert.pooler.dense.weight.exp_avg"));
  EXPECT_FALSE(state.contains("bert.encoder.layer.0.output.dense.weight.exp_avg"));
  EXPECT_TRUE(Checkpoint::open(run.out()).contains("bert.pooler.dense.bias"));
}

TEST_F(FineTuningTest, AStartThatLacksAWeightOfTheEncoderIsRefused) {
  FineTuning run = case_of("BertForTokenClassification");
  run.move_weights([](const std::string& name) {
    return name.find("self.key.") == name.npos ? "model.safetensors" : "";
  });
  expect_error(ErrorCode::not_found,
               {"bert.encoder.layer.0.attention.self.key.", "is needed but is not in /", "start"},
               [&] { run.run(); });
  EXPECT_FALSE(std::filesystem::exists(run.out()));
}

TEST_F(FineTuningTest, AdaptersOfWeightsThatAllLayersShareAreComputedAgain) {
  const auto losses = [&](const char* recompute) {
    FineTuning run = case_of("AlbertForSequenceClassification");
    set_field(run.config(), "lora_rank", "2");
    set_field(run.config(), "recompute", recompute);
    return run.run();
  };
  EXPECT_EQ(losses("true"), losses("false"));
}

TEST_F(FineTuningTest, AFaultIsToldWithItsBatchAndWhatBroke) {
  // three batches an epoch: the first update takes 0 and 1 of the first, the second begins with 2
  const char* const next = "step 2 (batch 2 of epoch 0): the weight bert.encoder.layer.0.";
  const char* const own = "step 1: after its update the weight bert.encoder.layer.0.";
  for (const auto& [steps, save_every, told] :
       {std::tuple{"5", "100", next}, {"5", "1", own}, {"1", "0", own}}) {
    FineTuning run = case_of("BertForSequenceClassification");
    for (const auto& [name, value] : {std::pair{"optimizer", "sgd"},
                                      {"clip", "0"},
                                      {"learning_rate", "1e37"},
                                      {"lora_rank", "2"},
                                      {"lora_alpha", "1e9"},
                                      {"batch", "2"},
                                      {"accumulate", "2"},
                                      {"steps", steps},
                                      {"save_every", save_every}}) {
      set_field(run.config(), name, value);
    }
    expect_error(ErrorCode::corrupt_data,
                 {told, ".lora_B.weight is not finite", "no checkpoint was saved before it"},
                 [&] { run.run(); });
    EXPECT_FALSE(std::filesystem::exists(run.out() / "checkpoints/step-00000001"));
    EXPECT_FALSE(std::filesystem::exists(run.out() / "adapter_model.safetensors"));
  }
}

TEST_F(FineTuningTest, WhatACheckpointHasThatIsNotFiniteIsNoUpdatesFault) {
  FineTuning run = case_of("BertForSequenceClassification");
  const std::string name = "bert.embeddings.position_embeddings.weight";
  NamedTensors weights;
  {
    const Checkpoint start = Checkpoint::open(run.start());
    for (const auto& [path, entry] : start.entries()) {
      weights.emplace_back(path, start.load(path).to(DType::f32).clone());
      if (path == name) weights.back().second.at({36, 0}) = -INFINITY;  // no text is so long
    }
  }
  write_safetensors(run.start() / "model.safetensors", weights);
  EXPECT_FALSE(run.run().empty());
  EXPECT_TRUE(Checkpoint::open(run.out()).contains(name));
}

TEST_F(FineTuningTest, SettingsOfAdaptersNeedARankAndAModel) {
  FineTuning run = case_of("BertForSequenceClassification");
  set_field(run.config(), "lora_targets", "query");
  expect_error(ErrorCode::invalid_argument, {"lora_targets", "lora_rank"}, [&] { run.run(); });
  set_field(run.config(), "lora_rank", "2");
  set_field(run.config(), "model", "");
  expect_error(ErrorCode::invalid_argument, {"low-rank updates", "--model"}, [&] { run.run(); });
}

TEST_F(FineTuningTest, RowsAreAsLongAsRobertaReads) {
  FineTuning run = case_of("RobertaForSequenceClassification");
  set_field(run.config(), "block", "36");
  expect_error(ErrorCode::invalid_argument, {"block is 36 tokens but the model reads 35"},
               [&] { run.run(); });
}

TEST_F(FineTuningTest, AModelWithoutSuchAHeadIsRefused) {
  FineTuning run = case_of("BertForMaskedLM");
  write_file(run.start() / "config.json", R"({"model_type": "gpt2", "vocab_size": 99})");
  expect_error(ErrorCode::unsupported, {"gpt2 has no head of the kind ForMaskedLM"},
               [&] { run.run(); });
}

TEST_F(FineTuningTest, FieldsOfAnotherKindAreToldAsAModelTellsThem) {
  FineTuning run = case_of("BertForMaskedLM");
  const Json plain = read_json(run.start() / "config.json");
  const auto with = [&](const char* field, const Json& value) {
    Json config = plain;
    config[field] = value;
    write_file(run.start() / "config.json", config.dump());
  };
  with("model_type", 5);
  expect_error(ErrorCode::corrupt_data, {"config.json: model_type must be a string but is 5"},
               [&] { run.run(); });
  with("vocab_size", "many");
  expect_error(ErrorCode::corrupt_data, {"config.json: vocab_size must be an integer", "many"},
               [&] { run.run(); });
  with("model_type", Json());
  run.run();  // old files have none; its class says what it is
}

}  // namespace
}  // namespace heed
