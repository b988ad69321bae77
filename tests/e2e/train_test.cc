#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <string>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"
#include "tests/letter_models.h"
#include "tests/random_bert.h"

namespace heed::testing {
namespace {

/// Sentences whose next character can be learnt at once.
std::string small_text() {
  std::string text;
  for (int i = 0; i < 300; ++i) text += i % 3 == 0 ? "the cat sat.\n" : "a dog ran.\n";
  return text;
}

class Train : public ::testing::Test {
 protected:
  Train() {
    write_file(folder_ / "text.txt", small_text());
    std::string rows = "text,label\n", columns;
    for (int i = 0; i < 60; ++i) {
      rows += i % 2 == 0 ? "a b c,letters\n" : "x30 x31 x32,words\n";
      columns += "a\tO\nx40\tB-place\nx41\tI-place\n\n";
    }
    write_file(folder_ / "rows.csv", rows);
    write_file(folder_ / "names.conll", columns);
    std::filesystem::create_directory(folder_ / "bert");
    write_random_bert(folder_ / "bert", 32);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::vector<std::string> language_model(const std::string& out, const std::string& steps) const {
    return {"train",          "lm",         "--data",          path("text.txt"),
            "--tokenizer",    "characters", "--layers",        "2",
            "--heads",        "2",          "--width",         "32",
            "--block",        "16",         "--batch",         "8",
            "--steps",        steps,        "--dropout",       "0.1",
            "--warmup-steps", "2",          "--save-every",    "5",
            "--eval-batches", "4",          "--learning-rate", "3e-3",
            "--schedule",     "constant",   "--out",           path(out)};
  }
  std::vector<std::string> classifier(const std::string& out) const {
    return {"train",           "classify",   "--data",  path("rows.csv"),
            "--model",         path("bert"), "--steps", "30",
            "--batch",         "8",          "--block", "16",
            "--learning-rate", "5e-3",       "--out",   path(out)};
  }
  /// How far a weight of the BERT moved in a classifier's run.
  double change(const std::string& run, const std::string& name) const {
    return distance(Checkpoint::open(folder_ / "bert").load(name),
                    Checkpoint::open(folder_ / run).load("bert." + name));
  }

  TemporaryFolder folder_;
};

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// Lines of JSON on standard output.
std::vector<Json> lines_in(const std::string& out) {
  std::vector<Json> lines;
  for (size_t begin = 0; begin < out.size();) {
    const size_t end = out.find('\n', begin);
    lines.push_back(parse_json(std::string_view(out).substr(begin, end - begin), "stdout"));
    begin = end + 1;
  }
  return lines;
}

/// The last validation loss over the first.
double share_left(const std::string& out) {
  double first = 0, last = 0;
  for (const Json& line : lines_in(out)) {
    if (!line.contains("valid_loss")) continue;
    if (first == 0) first = line["valid_loss"];
    last = line["valid_loss"];
  }
  return last / first;
}

TEST_F(Train, ALlamaLearnsOn) {
  std::filesystem::copy(golden_folder() / "llama_plain", folder_ / "llama");
  ASSERT_EQ(run_heed({"tokenizer", "train", path("text.txt"), "--kind", "characters", "--save",
                      path("llama")})
                .status,
            0);
  const std::map<std::string, std::string> writing = {
      {"chat_template.jinja", "{{ messages[0].content }}"},
      {"generation_config.json", R"({"temperature": 0.5, "eos_token_id": [1, 2]})"}};
  for (const auto& [name, content] : writing) write_file(folder_ / "llama" / name, content);
  for (const char* rank : {"0", "4"}) {
    const std::string out = path(std::string("learned") + rank);
    const Result got = run_heed({"train",        "lm",          "--data",          path("text.txt"),
                                 "--model",      path("llama"), "--block",         "16",
                                 "--batch",      "8",           "--steps",         "40",
                                 "--save-every", "10",          "--learning-rate", "5e-3",
                                 "--out",        out,           "--lora-rank",     rank,
                                 "--lora-merge", "--recompute", "--json"});
    ASSERT_EQ(got.status, 0) << got.err;
    EXPECT_LT(share_left(got.out), 0.9) << "rank " << rank;
    for (const auto& [name, content] : writing) {
      EXPECT_EQ(read_file(std::filesystem::path(out) / name), content) << name;
    }
  }
  const Result text =
      run_heed({"generate", "the ", "--model", path("learned0"), "--max-new-tokens", "8"});
  EXPECT_EQ(text.status, 0) << text.err;
}

TEST_F(Train, ALanguageModelLearnsAndWritesText) {
  const Result got = run_heed(with(language_model("lm", "60"), {"--json"}));
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_LT(share_left(got.out), 0.8);
  EXPECT_EQ(lines_in(got.out).back()["end"], "done");
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json", "metrics.jsonl",
                           "metrics.csv", "loss.png", "train.yaml"}) {
    EXPECT_TRUE(std::filesystem::exists(folder_ / "lm" / name)) << name;
  }
  EXPECT_EQ(read_json(folder_ / "lm" / "tokenizer_config.json")["model_max_length"],
            read_json(folder_ / "lm" / "config.json")["n_positions"]);
  const Result text = run_heed({"generate", "the ", "--model", path("lm"), "--max-new-tokens", "8",
                                "--temperature", "0", "--json"});
  EXPECT_EQ(text.status, 0) << text.err;
}

TEST_F(Train, AResumedRunEndsWithTheSameBits) {
  ASSERT_EQ(run_heed(language_model("whole", "20")).status, 0);
  ASSERT_EQ(run_heed(language_model("parts", "10")).status, 0);
  const Result again = run_heed(language_model("parts", "20"));
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.err.find("--resume"), std::string::npos) << again.err;
  const Result rest = run_heed(with(language_model("parts", "20"), {"--resume"}));
  ASSERT_EQ(rest.status, 0) << rest.err;
  const auto weights = [&](const char* run) {
    return read_file(folder_ / run / "checkpoints" / "step-00000020" / "model.safetensors");
  };
  EXPECT_EQ(weights("whole"), weights("parts"));
  EXPECT_EQ(rest.err.find("schedule"), std::string::npos) << rest.err;
}

TEST_F(Train, ARunThatMeasuresNothingIsSavedAsOften) {
  const Result got =
      run_heed(with(classifier("unmeasured"), {"--validation-part", "0", "--keep", "99"}));
  ASSERT_EQ(got.status, 0) << got.err;
  for (const char* step : {"step-00000003", "step-00000006", "step-00000027", "step-00000030"}) {
    EXPECT_TRUE(std::filesystem::exists(folder_ / "unmeasured" / "checkpoints" / step)) << step;
  }
}

TEST_F(Train, HelpTellsDefaults) {
  const Result got = run_heed({"train", "--help"});
  EXPECT_NE(got.out.find("Layers of a new model (of each stack). (default: 6)"), std::string::npos);
}

TEST_F(Train, AResumedRunThatNeverWasIsTold) {
  const Result got = run_heed(with(language_model("new", "2"), {"--resume"}));
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_NE(got.err.find("holds no checkpoint to go on from"), std::string::npos) << got.err;
}

TEST_F(Train, AResumedRunsMetricsAreThoseOfTheWhole) {
  // a checkpoint lies between two lines of metrics
  const auto losses = [&](const char* run) {
    std::vector<double> found;
    for (const Json& line : lines_in(read_file(folder_ / run / "metrics.jsonl"))) {
      if (line.contains("loss")) found.push_back(line["loss"].get<double>());
    }
    return found;
  };
  ASSERT_EQ(run_heed(with(language_model("whole", "14"), {"--log-every", "7"})).status, 0);
  ASSERT_EQ(run_heed(with(language_model("parts", "10"), {"--log-every", "7"})).status, 0);
  std::filesystem::remove_all(folder_ / "parts" / "checkpoints" / "step-00000010");
  std::filesystem::remove(folder_ / "parts" / "checkpoints" / "best");
  const Result rest =
      run_heed(with(language_model("parts", "14"), {"--log-every", "7", "--resume"}));
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_EQ(losses("parts"), losses("whole"));
}

TEST_F(Train, AModelThatIsThereIsNotReplaced) {
  ASSERT_EQ(run_heed(language_model("run", "2")).status, 0);
  std::filesystem::remove_all(folder_ / "run" / "checkpoints");
  const std::string before = read_file(folder_ / "run" / "model.safetensors");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--resume"}}) {
    const Result got = run_heed(with(language_model("run", "2"), more));
    EXPECT_EQ(got.status, 2);
    EXPECT_NE(got.err.find("holds model.safetensors and no checkpoints"), std::string::npos)
        << got.err;
  }
  EXPECT_EQ(read_file(folder_ / "run" / "model.safetensors"), before);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run" / "checkpoints"));
  std::filesystem::rename(folder_ / "run" / "model.safetensors",
                          folder_ / "run" / "model-00001-of-00001.safetensors");
  write_file(folder_ / "run" / "model.safetensors.index.json", "{}");
  const Result in_shards = run_heed(language_model("run", "2"));
  EXPECT_EQ(in_shards.status, 2);
  EXPECT_NE(in_shards.err.find("holds model.safetensors.index.json and no"), std::string::npos)
      << in_shards.err;
}

TEST_F(Train, AnotherLengthOfARunWhoseRatesFallIsTold) {
  const auto falling = [&](const char* steps) {
    std::vector<std::string> arguments = language_model("falls", steps);
    std::ranges::replace(arguments, std::string("constant"), std::string("linear"));
    *(std::ranges::find(arguments, "--warmup-steps") + 1) = "0";
    return arguments;
  };
  ASSERT_EQ(run_heed(falling("1")).status, 0);
  const Result longer = run_heed(with(falling("10"), {"--resume"}));
  EXPECT_EQ(longer.status, 0) << longer.err;
  EXPECT_NE(
      longer.err.find("was of 1 update and is of 10 now; from here on the linear schedule has "
                      "the rates of a run of 10, which its first 1 update did not have"),
      std::string::npos)
      << longer.err;
}

TEST_F(Train, AnInterruptedRunSavesAndSaysSo) {
  for (const auto& [name, number] :
       {std::pair<const char*, int>{"interrupted", SIGINT}, {"ended", SIGTERM}}) {
    std::vector<std::string> command = language_model(name, "100000");
    command.insert(command.begin(), HEED_PROGRAM);
    Process process(command, {});
    const std::filesystem::path early = folder_ / name / "checkpoints" / "step-00000005";
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(early); }));
    kill(process.id(), number);
    const Result got = process.wait();
    EXPECT_EQ(got.status, 0) << name << ": " << got.err;
    EXPECT_NE(got.err.find("--resume goes on"), std::string::npos) << name << ": " << got.err;
  }
}

TEST_F(Train, AFolderThatTheSystemRefusesIsTheUsersFault) {
  const Result result = run_heed(language_model(std::string(5000, 'a'), "5"));
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find("File name too long"), std::string::npos) << result.err;
}

TEST_F(Train, AFileBeyondTheLimitIsToldAndLosesNothing) {
  std::vector<std::string> command{"/bin/sh", "-c", R"(ulimit -f 40; exec "$0" "$@")",
                                   HEED_PROGRAM};
  const std::vector<std::string> arguments = language_model("limited", "20");
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Result got = Process(command, {}).wait();
  EXPECT_EQ(got.status, 2) << got.err;
  EXPECT_NE(got.err.find("File too large"), std::string::npos) << got.err;
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_ / "limited" / "checkpoints")) {
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
}

TEST_F(Train, AChangedSettingIsRefused) {
  ASSERT_EQ(run_heed(language_model("run", "5")).status, 0);
  const Result got =
      run_heed(with(language_model("run", "10"), {"--resume", "--weight-decay", "0.5"}));
  EXPECT_EQ(got.status, 2);
  EXPECT_NE(got.err.find("weight_decay"), std::string::npos) << got.err;
  write_file(folder_ / "text.txt", small_text() + "more.\n");
  const Result data = run_heed(with(language_model("run", "10"), {"--resume"}));
  EXPECT_EQ(data.status, 2);
  EXPECT_NE(data.err.find("data.text.txt.bytes is "), std::string::npos) << data.err;
  std::vector<std::string> other = classifier("run");
  other.emplace_back("--resume");
  const Result task = run_heed(other);  // of the many differences of config.json none comes first
  EXPECT_NE(task.err.find("is another: settings."), std::string::npos) << task.err;
}

TEST_F(Train, AClassifierLearnsAndClassifies) {
  const Result got = run_heed(classifier("classes"));
  ASSERT_EQ(got.status, 0) << got.err;
  const Result classes =
      run_heed({"classify", "a b c", "x30 x31 x32", "--model", path("classes"), "--json"});
  ASSERT_EQ(classes.status, 0) << classes.err;
  const std::vector<Json> lines = lines_in(classes.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["label"], "letters");
  EXPECT_EQ(lines[1]["label"], "words");
  EXPECT_GT(lines[0]["score"].get<double>(), 0.5);
}

TEST_F(Train, LowRankAdaptersMergeOrStayApart) {
  const std::vector<std::string> lora{"--lora-rank", "2", "--lora-targets", "query", "value"};
  const Result merged = run_heed(with(with(classifier("merged"), lora), {"--lora-merge"}));
  ASSERT_EQ(merged.status, 0) << merged.err;
  const Result classes = run_heed({"classify", "a b c", "--model", path("merged"), "--json"});
  EXPECT_EQ(classes.status, 0) << classes.err;
  const Result apart = run_heed(with(classifier("apart"), lora));
  ASSERT_EQ(apart.status, 0) << apart.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "apart" / "adapter_model.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "apart" / "model.safetensors"));
  const Result over_base = run_heed({"classify", "a b c", "--model", path("apart"), "--json"});
  ASSERT_EQ(over_base.status, 0) << over_base.err;
  const Json one = lines_in(classes.out).at(0), other = lines_in(over_base.out).at(0);
  EXPECT_EQ(one["label"], other["label"]);
  EXPECT_NEAR(one["score"].get<double>(), other["score"].get<double>(), 1e-5);
  const Result inspected = run_heed({"inspect", path("apart")});
  EXPECT_EQ(inspected.status, 0) << inspected.err;
  std::vector<std::string> again = with(classifier("again"), lora);
  std::ranges::replace(again, path("bert"), path("apart"));
  const Result of_adapter = run_heed(again);
  EXPECT_EQ(of_adapter.status, 2);
  EXPECT_NE(of_adapter.err.find("needs a whole model to begin from, found the adapter"),
            std::string::npos)
      << of_adapter.err;
  EXPECT_EQ(run_heed(with(again, {"--lora-merge"})).status, 0);
  std::filesystem::rename(folder_ / "bert", folder_ / "elsewhere");
  const Result alone = run_heed({"classify", "a b c", "--model", path("apart")});
  EXPECT_EQ(alone.status, 2);
  EXPECT_NE(alone.err.find("its base model is not here"), std::string::npos) << alone.err;
}

TEST_F(Train, AFinderOfNamesFindsThem) {
  const Result got = run_heed({"train", "ner", "--data", path("names.conll"), "--model",
                               path("bert"), "--steps", "40", "--batch", "8", "--block", "16",
                               "--learning-rate", "5e-3", "--out", path("names")});
  ASSERT_EQ(got.status, 0) << got.err;
  const Result found = run_heed({"ner", "a x40 x41", "--model", path("names"), "--json"});
  ASSERT_EQ(found.status, 0) << found.err;
  const Json entities = lines_in(found.out).at(0)["entities"];
  ASSERT_EQ(entities.size(), 1U) << found.out;
  EXPECT_EQ(entities[0]["entity_group"], "place");
  EXPECT_EQ(entities[0]["word"], "x40 x41");
  EXPECT_EQ(entities[0]["start"], 2);
  EXPECT_EQ(entities[0]["end"], 9);
}

TEST_F(Train, AMaskedModelAndATranslatorRun) {
  const Result masked =
      run_heed({"train", "mlm", "--data", path("text.txt"), "--model", path("bert"), "--steps", "5",
                "--batch", "4", "--block", "16", "--out", path("masked")});
  EXPECT_EQ(masked.status, 0) << masked.err;
  write_file(folder_ / "pairs.tsv", "ab\tba\nabc\tcba\nacb\tbca\nba\tab\ncab\tbac\nbca\tacb\n");
  const Result pairs = run_heed({"train",       "translate",  "--data",   path("pairs.tsv"),
                                 "--tokenizer", "characters", "--layers", "1",
                                 "--heads",     "2",          "--width",  "16",
                                 "--block",     "16",         "--steps",  "5",
                                 "--batch",     "3",          "--out",    path("reverse")});
  EXPECT_EQ(pairs.status, 0) << pairs.err;
  const Result text =
      run_heed({"translate", "abc", "--model", path("reverse"), "--max-new-tokens", "5"});
  EXPECT_EQ(text.status, 0) << text.err;
}

TEST_F(Train, AnEncoderDecoderLearnsFromPairs) {
  const testing::LetterModel t5("t5_relu");
  write_file(folder_ / "pairs.jsonl",
             "{\"source\": [\"ab\", \"c\"], \"target\": [\"ba\", \"x\"]}\n"
             "{\"source\": \"abc\", \"target\": \"cba\"}\n"
             "{\"source\": \"b\", \"target\": \"b\"}\n");
  const Result got = run_heed({"train", "seq2seq", "--model", t5.name(), "--data",
                               path("pairs.jsonl"), "--source-prefix", "d ", "--steps", "3",
                               "--batch", "2", "--validation-part", "0", "--out", path("t5")});
  ASSERT_EQ(got.status, 0) << got.err;
  const Result text = run_heed({"generate", "d abc", "--model", path("t5"), "--json"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "t5" / "generation_config.json"));
  const Result none = run_heed(
      {"train", "seq2seq", "--data", path("pairs.jsonl"), "--steps", "1", "--out", path("n")});
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("--model names its folder"), std::string::npos) << none.err;
}

TEST_F(Train, LayersThatTransformersWouldLeaveOutAreTold) {
  const testing::LetterModel bart("bart");
  const std::filesystem::path file = std::filesystem::path(bart.name()) / "config.json";
  Json config = read_json(file);
  config["decoder_layerdrop"] = 0.25;
  write_file(file, config.dump());
  write_file(folder_ / "pairs.tsv", "ab\tba\nabc\tcba\n");
  const Result got =
      run_heed({"train", "seq2seq", "--model", bart.name(), "--data", path("pairs.tsv"), "--steps",
                "1", "--batch", "2", "--validation-part", "0", "--out", path("bart")});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_NE(got.err.find("decoder_layerdrop is 0.25, but Heed leaves out no layers"),
            std::string::npos)
      << got.err;
  EXPECT_EQ(got.err.find("encoder_layerdrop"), std::string::npos) << got.err;
}

TEST_F(Train, RoundedProductsLearnAsWell) {
  const auto learnt = [&](const std::string& precision) {
    const Result got =
        run_heed(with(language_model(precision, "40"), {"--precision", precision, "--json"}));
    EXPECT_EQ(got.status, 0) << got.err;
    return share_left(got.out);
  };
  EXPECT_NEAR(learnt("bf16"), learnt("f32"), 0.02);
  const auto weights = [&](const char* run) {
    return read_file(folder_ / run / "model.safetensors");
  };
  EXPECT_NE(weights("bf16"), weights("f32"));
  const Result other =
      run_heed(with(language_model("bf16", "50"), {"--resume", "--precision", "f32"}));
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.err.find("settings.precision is \"f32\" now and was \"bf16\""), std::string::npos)
      << other.err;
}

TEST_F(Train, TensorBoardGetsTheCurvesOfEachPartOfARun) {
  const auto events = [&] {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "shown")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("events.out.tfevents.")) found.push_back(read_file(entry.path()));
    }
    return found;
  };
  const std::vector<std::string> shown{"--tensorboard", "--log-every", "1"};
  ASSERT_EQ(run_heed(with(language_model("shown", "5"), shown)).status, 0);
  ASSERT_EQ(events().size(), 1U);
  for (const char* part : {"brain.Event:2", "loss", "valid_loss", "learning_rate"}) {
    EXPECT_NE(events()[0].find(part), std::string::npos) << part;
  }
  ASSERT_EQ(run_heed(with(language_model("shown", "10"), {"--resume"})).status, 0);
  EXPECT_EQ(events().size(), 1U) << "a part that asks for none";
}

TEST_F(Train, WatchingDrawsMapsAndAFilm) {
  const Result got =
      run_heed(with(language_model("seen", "6"),
                    {"--watch", "the cat", "--watch-every", "3", "--watch-heads", "0.1", "1.0"}));
  ASSERT_EQ(got.status, 0) << got.err;
  for (const char* name :
       {"step-00000000.png", "step-00000003.png", "step-00000006.png", "film.png"}) {
    EXPECT_TRUE(std::filesystem::exists(folder_ / "seen" / "watch" / name)) << name;
  }
  const Json map = read_json(folder_ / "seen" / "watch" / "step-00000003.json")["maps"][1];
  EXPECT_EQ(map["title"], "layer 1, head 0");
  EXPECT_EQ(map["rows"].size(), 7U) << "a character each: " << map["rows"];
}

TEST_F(Train, ATranslatorIsWatchedAsItLearns) {
  write_file(folder_ / "pairs.tsv", "ab cd\tdc ba\nb a\ta b\nacb\tbca\nba\tab\ncab\tbac\n");
  const auto watched = [&](const std::string& out, const std::vector<std::string>& how) {
    const Result got =
        run_heed(with({"train",       "translate",  "--data",        path("pairs.tsv"),
                       "--tokenizer", "characters", "--layers",      "2",
                       "--heads",     "2",          "--width",       "16",
                       "--block",     "16",         "--steps",       "4",
                       "--batch",     "3",          "--watch-every", "2",
                       "--out",       path(out)},
                      how));
    EXPECT_EQ(got.status, 0) << got.err;
    EXPECT_TRUE(std::filesystem::exists(folder_ / out / "watch" / "film.png"));
    return read_json(folder_ / out / "watch" / "step-00000004.json")["maps"];
  };
  const Json cross = watched(
      "cross", {"--watch", "ab cd", "--watch-target", "dc b", "--watch-heads", "1.1", "0.0"});
  ASSERT_EQ(cross.size(), 2U);
  EXPECT_EQ(cross[0]["title"], "cross-attention, layer 1, head 1");
  EXPECT_EQ(cross[0]["rows"], Json({"dc", "b", "</s>"})) << "what is written";
  EXPECT_EQ(cross[0]["columns"], Json({"ab", "cd", "</s>"})) << "what is looked at";
  const Json own = watched("own", {"--watch-attention", "decoder"});
  EXPECT_EQ(own.size(), 2U) << "the first head of each layer";
  EXPECT_EQ(own[0]["title"], "decoder, layer 0, head 0");
  EXPECT_EQ(own[0]["rows"], own[0]["columns"]);
  const Json encoder = watched("encoder", {"--watch-attention", "encoder", "--watch", "ba ab"});
  EXPECT_EQ(encoder[0]["rows"], Json({"ba", "ab", "</s>"}));
}

TEST_F(Train, AFilmShowsTheWholeOfAResumedRun) {
  const std::vector<std::string> watch{"--watch", "the cat", "--watch-every", "5"};
  ASSERT_EQ(run_heed(with(language_model("seen", "5"), watch)).status, 0);
  const std::filesystem::path folder = folder_ / "seen" / "watch";
  write_file(folder / "step-00000099.json", "{}");  // of a run that went further, then was killed
  write_file(folder / "step-00000100.png.12-1.tmp", "torn");
  const Result rest = run_heed(with(with(language_model("seen", "15"), watch), {"--resume"}));
  ASSERT_EQ(rest.status, 0) << rest.err;
  ASSERT_EQ(run_heed(with(language_model("whole", "15"), watch)).status, 0);
  EXPECT_EQ(read_file(folder / "film.png"), read_file(folder_ / "whole" / "watch" / "film.png"));
  EXPECT_FALSE(std::filesystem::exists(folder / "step-00000099.json"));
  EXPECT_FALSE(std::filesystem::exists(folder / "step-00000100.png.12-1.tmp"));
  const Result wrong = run_heed(with(language_model("seen", "20"),
                                     {"--resume", "--watch-every", "5", "--watch-heads", "7.0"}));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("watch_heads 7.0: the model has layers 0 to 1"), std::string::npos)
      << wrong.err;
  EXPECT_EQ(wrong.err.find("step 16"), std::string::npos) << "before any update";
}

TEST_F(Train, PatienceEndsARunThatIsNoBetter) {
  std::vector<std::string> still = language_model("still", "50");
  std::ranges::replace(still, std::string("3e-3"), std::string("1e-30"));  // changes no weight
  const Result got = run_heed(with(still, {"--patience", "3", "--eval-every", "1", "--json"}));
  ASSERT_EQ(got.status, 0) << got.err;
  const Json end = lines_in(got.out).back();
  EXPECT_EQ(end["end"], "stopped_early");
  EXPECT_EQ(end["steps"], 4);  // the first evaluation is the best, three are no better
}

TEST_F(Train, UpdatesThatAreNoNumbersAreLeftOutAsOftenAsAllowed) {
  const auto wild = [&](const char* steps) {
    return run_heed({"train",           "lm",
                     "--data",          path("text.txt"),
                     "--tokenizer",     "characters",
                     "--layers",        "1",
                     "--width",         "16",
                     "--heads",         "2",
                     "--block",         "16",
                     "--steps",         steps,
                     "--optimizer",     "sgd",
                     "--learning-rate", "1e30",
                     "--clip",          "0",
                     "--skip-nan",      "3",
                     "--out",           path(std::string("wild") + steps)});
  };
  const Result left_out = wild("4");
  EXPECT_EQ(left_out.status, 0) << left_out.err;
  for (const char* step : {"left out step 2 ", "left out step 3 ", "left out step 4 "}) {
    EXPECT_NE(left_out.err.find(step), std::string::npos) << left_out.err;
  }
  const Result too_often = wild("5");
  EXPECT_EQ(too_often.status, 2);
  EXPECT_NE(too_often.err.find("train: step 5 "), std::string::npos) << too_often.err;
}

TEST_F(Train, LowerLayersLearnAtLowerRates) {
  ASSERT_EQ(run_heed(with(classifier("slow"), {"--layer-rate-decay", "0.01"})).status, 0);
  const double table = change("slow", "embeddings.word_embeddings.weight");
  const double lower = change("slow", "encoder.layer.0.output.dense.weight");
  const double upper = change("slow", "encoder.layer.1.output.dense.weight");
  EXPECT_LT(table, lower / 20);  // each about a hundredth of the next
  EXPECT_LT(lower, upper / 20);
  EXPECT_GT(upper, 1e-4);
}

TEST_F(Train, WhatIsFrozenStaysToTheBit) {
  ASSERT_EQ(
      run_heed(with(classifier("frozen"), {"--freeze", "bert.embeddings", "bert.encoder.layer.0."}))
          .status,
      0);
  const Checkpoint start = Checkpoint::open(folder_ / "bert");
  for (const auto& [name, entry] : start.entries()) {
    if (name.starts_with("embeddings.") || name.starts_with("encoder.layer.0.")) {
      EXPECT_EQ(change("frozen", name), 0) << name;
    }
  }
  EXPECT_GT(change("frozen", "encoder.layer.1.output.dense.weight"), 1e-4);
}

TEST_F(Train, FaultsAreTold) {
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const Result got = run_heed(arguments);
    EXPECT_EQ(got.status, 2) << got.err;
    EXPECT_NE(got.err.find(part), std::string::npos) << got.err;
  };
  write_file(folder_ / "odd.yaml", "task: lm\nlerning_rate: 1e-3\n");
  refused({"train", "--config", path("odd.yaml")}, "learning_rate");
  write_file(folder_ / "one.csv", "text,label\na,x\nb,x\n");
  refused(
      {"train", "classify", "--data", path("one.csv"), "--model", path("bert"), "--out", path("o")},
      "two classes");
  write_file(folder_ / "bad.csv", "text,label\na,x\n,y\nb,y\nc,x\nd,y\n");
  const std::vector<std::string> bad{"train",   "classify",   "--data",  path("bad.csv"),
                                     "--model", path("bert"), "--steps", "1",
                                     "--out",   path("bad")};
  refused(bad, "bad.csv:3");
  EXPECT_EQ(run_heed(with(bad, {"--skip-bad"})).status, 0);
  refused({"train",       "lm",         "--data",          path("text.txt"),
           "--tokenizer", "characters", "--layers",        "1",
           "--width",     "16",         "--heads",         "2",
           "--block",     "16",         "--steps",         "50",
           "--optimizer", "sgd",        "--learning-rate", "1e30",
           "--clip",      "0",          "--out",           path("wild")},
          "not finite");
  refused({"train", "lm", "--data", path("none.txt"), "--out", path("o")}, "none.txt");
  write_file(folder_ / "empty.txt", "");
  refused({"train", "lm", "--data", path("empty.txt"), "--out", path("o")},
          "empty.txt: train a tokenizer: needed a text");
  refused({"train", "lm", "--data", path("text.txt"), "--model", path("bert"), "--out",
           path("unwritten")},
          path("bert") + "/config.json has model_type");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "unwritten"));
  write_file(folder_ / "model.gguf", "GGUF");
  refused({"train", "lm", "--data", path("text.txt"), "--tokenizer", "characters", "--model",
           path("model.gguf"), "--out", path("o")},
          "heed convert " + path("model.gguf") + " --save FOLDER");
  refused(with(language_model("o", "2"), {"--watch", "the cat"}), "--watch-every");
  refused(with(language_model("o", "0"), {"--epochs", "1e300"}), "than can be counted");
  refused(language_model("text.txt/lm", "2"), "cannot make the folder");
  refused({"classify", "a", "--model", path("bert")}, "ForSequenceClassification");
}

}  // namespace
}  // namespace heed::testing
