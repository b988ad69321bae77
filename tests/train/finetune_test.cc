// Encoders that learn a task from a checkpoint, beside PyTorch and transformers
// (tools/make_finetune_goldens.py).

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
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
    for (const auto& [name, value] : settings.items()) set_field(config_, name, value.dump());
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
    const auto group = make_group();
    train(config_, /*resume=*/false, losses, *group);
    return losses.seen;
  }
  std::filesystem::path out() const { return folder_ / "out"; }
  TrainConfig& config() { return config_; }
  std::filesystem::path start() const { return folder_ / "start"; }

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

}  // namespace
}  // namespace heed
