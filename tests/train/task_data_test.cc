// What tasks make of their data before a model is there.

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/io/json.h"
#include "heed/io/npy.h"
#include "heed/io/safetensors.h"
#include "heed/train/bad_rows.h"
#include "heed/train/data_text.h"
#include "heed/train/task.h"
#include "tests/expect_error.h"
#include "tests/gguf_model.h"
#include "tests/random_bert.h"
#include "tests/support.h"

namespace heed {
namespace {

using Given = std::vector<std::pair<const char*, std::string>>;

class TaskData : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& content) const {
    write_file(folder_ / name, content);
    return (folder_ / name).string();
  }

  static std::unique_ptr<TrainTask> task(const Given& given) {
    TrainConfig settings;
    for (const auto& [name, value] : given) set_field(settings, name, value);
    BadRows bad(settings.skip_bad);
    return make_task(settings, bad);
  }

  testing::TemporaryFolder folder_;
};

TEST_F(TaskData, TextsThatAreNotUtf8AreToldWithLineAndByte) {
  const std::string bad = file("bad.txt", "ab\ncd\xFF\n");
  for (const char* name : {"lm", "mlm"}) {
    expect_error(ErrorCode::corrupt_data, {"bad.txt:2: text must be UTF-8", "0xFF at 5"}, [&] {
      task({{"task", name}, {"data", bad}});
    });
  }
}

TEST_F(TaskData, ACommaMayBeInAFilesName) {
  const std::string text = file("a,b.txt", std::string(300, 'a'));
  const Json one =
      task({{"task", "lm"}, {"data", text}, {"tokenizer", "characters"}, {"validation", text}})
          ->identity();
  EXPECT_TRUE(one["data"].contains("a,b.txt")) << one;
  EXPECT_TRUE(one["validation"].contains("a,b.txt")) << one;
  const std::string pairs = file("c,d.tsv", "ab\tba\nb\tb\n");
  const auto learnt = task({{"task", "translate"}, {"data", pairs}, {"tokenizer", "characters"}});
  EXPECT_TRUE(learnt->identity()["data"].contains("c,d.tsv"));
}

TEST_F(TaskData, ATextShorterThanARowIsToldByItsName) {
  const auto refused = [&](size_t size, const char* part,
                           std::initializer_list<std::string_view> told) {
    const std::string text = file("short.txt", std::string(size, 'a'));
    expect_error(ErrorCode::invalid_argument, told, [&] {
      task({{"task", "lm"},
            {"data", text},
            {"tokenizer", "characters"},
            {"block", "64"},
            {"validation_part", part}});
    });
  };
  refused(64, "0", {"short.txt: needed at least 65 tokens for rows of 64", "found 64", "--block"});
  refused(64, "0.5", {"short.txt: the part for training: needed at least 65", "found 32"});
  refused(5, "0.9", {"short.txt: 0.1 of 5 tokens for training leaves 0"});
}

TEST_F(TaskData, AByteOrderMarkIsNoToken) {
  const std::string text = "\xEF\xBB\xBF" + std::string(300, 'a');
  EXPECT_EQ(read_text(file("marked.txt", text)).size(), 300U);
  const auto learnt =
      task({{"task", "lm"}, {"data", file("marked.txt", text)}, {"tokenizer", "characters"}});
  EXPECT_EQ(learnt->tokenizer().vocab_size(), 1);
}

TEST_F(TaskData, AResultHasItsTokenizerUnderTheNameThatIsLookedFor) {
  const std::string data = file("text.txt", "ab cd Ab\n" + std::string(30, 'a'));
  const std::filesystem::path out = folder_ / "out";
  const auto reads = [&](const std::string& given, const char* name) {
    std::filesystem::remove_all(out);
    std::filesystem::create_directory(out);
    const auto made = task({{"task", "lm"},
                            {"data", data},
                            {"tokenizer", given},
                            {"block", "1"},
                            {"validation_part", "0"}});
    made->write_text_files(out);
    EXPECT_TRUE(std::filesystem::exists(out / name)) << given;
    EXPECT_EQ(Tokenizer::load(out)->encode("ab Ab", {}).tokens,
              made->tokenizer().encode("ab Ab", {}).tokens);
  };
  reads("characters", "tokenizer.json");
  reads(file("letters.json", read_file(out / "tokenizer.json")), "tokenizer.json");
  file("tokenizer_config.json", R"({"do_lower_case": false})");
  reads(file("words.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nab\nAb\ncd\na\n##a\n"), "vocab.txt");
  file("merges.txt", "#version: 0.2\na b\n");
  reads(file("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "A": 3, "c": 4, "d": 5, "Ġ": 6, "Ċ": 7})"),
        "merges.txt");
}

TEST_F(TaskData, TheTokenizerOfAGgufFileBecomesATokenizerJson) {
  const auto model = testing::gguf_model();
  HEED_NEED_GGUF(model);
  const auto made = task({{"task", "lm"},
                          {"data", file("text.txt", std::string(300, 'a') + " b c")},
                          {"tokenizer", model.string()},
                          {"block", "1"},
                          {"validation_part", "0"}});
  std::filesystem::create_directory(folder_ / "out");
  made->write_text_files(folder_ / "out");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out" / model.filename()));
  EXPECT_EQ(Tokenizer::load(folder_ / "out")->encode("the cat", {}).ids,
            made->tokenizer().encode("the cat", {}).ids);
}

TEST_F(TaskData, ATokenizerThatIsNotTheModelsIsTold) {
  std::vector<std::string> told;
  set_log_sink([&](LogLevel, std::string_view message) { told.emplace_back(message); });
  const std::filesystem::path model = folder_ / "bert";
  std::filesystem::create_directory(model);
  testing::write_random_bert(model, 64);
  const std::string data = file("text.txt", "the river bank. " + std::string(30, 'a'));
  const auto begun = [&](const std::string& tokenizer) {
    task({{"task", "mlm"},
          {"data", data},
          {"model", model.string()},
          {"tokenizer", tokenizer},
          {"block", "4"},
          {"validation_part", "0"}});
  };
  begun(model.string());
  EXPECT_TRUE(told.empty()) << told.front();
  begun("wordpiece");
  set_log_sink({});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("have other ids, or none, in the tokenizer of model"), std::string::npos)
      << told[0];
}

TEST_F(TaskData, ATokenizerThatIsNowhereIsToldWithWhatThereMayBe) {
  const std::string data = file("text.txt", std::string(300, 'a'));
  expect_error(ErrorCode::not_found,
               {"tokenizer 'char': needed a tokenizer.json", "characters, bpe, wordpiece"}, [&] {
                 task({{"task", "lm"}, {"data", data}, {"tokenizer", "char"}});
               });
}

TEST_F(TaskData, CharactersThatTheTokenizerLacksAreCounted) {
  std::vector<std::string> told;
  set_log_sink([&](LogLevel, std::string_view message) { told.emplace_back(message); });
  const std::string data = file("text.txt", std::string(300, 'a') + "b c\n");
  const std::string odd = file("odd.txt", "abc a\nxa\ty c");
  task({{"task", "lm"}, {"data", data}, {"tokenizer", "characters"}, {"validation", odd}});
  const std::string pairs = file("pairs.tsv", "ab\tba\nb\tb\n");
  const std::string strange = file("strange.tsv", "ab\tba\nb\tbxx\n");
  task({{"task", "translate"},
        {"data", pairs},
        {"tokenizer", "characters"},
        {"validation", strange}});
  task({{"task", "lm"}, {"data", data}, {"vocab", "300"}, {"block", "1"}, {"validation", odd}});
  set_log_sink({});
  ASSERT_EQ(told.size(), 2U);
  EXPECT_NE(told[0].find("odd.txt"), std::string::npos) << told[0];
  EXPECT_NE(
      told[0].find(
          "left out 3 characters that the tokenizer has no piece for, the first 'x' in line 2"),
      std::string::npos)
      << told[0];
  EXPECT_NE(told[1].find("strange.tsv: left out 2 characters that"), std::string::npos) << told[1];
  EXPECT_NE(told[1].find("the first 'x' in line 2"), std::string::npos) << told[1];
}

TEST_F(TaskData, NothingIsLearntFromIdsWithoutTheirTokenizer) {
  for (const char* ids : {"ids.bin", "IDS.BIN", "IDS.NPY"}) {
    const std::string bytes = file(ids, std::string(600, 'a'));
    for (const char* name : {"lm", "mlm"}) {
      expect_error(ErrorCode::invalid_argument, {ids, "--tokenizer FILE or --model"}, [&] {
        task({{"task", name}, {"data", bytes}});
      });
    }
  }
}

TEST_F(TaskData, WhenAllRowsAreBadTheFileAndTheFirstAreTold) {
  const auto refused = [&](const char* name, const std::string& data, const char* first) {
    expect_error(ErrorCode::invalid_argument,
                 {data.c_str(), "needed at least 1 row to train on, found 0", "2 bad ones", first},
                 [&] {
                   task({{"task", name}, {"data", data}, {"skip_bad", "true"}});
                 });
  };
  refused("translate", file("pairs.tsv", "one\ntwo\n"), "pairs.tsv:1");
  refused("classify", file("rows.csv", "text,label\n,a\n,b\n"), "rows.csv:2");
  refused("ner", file("names.txt", "word\n\nword\n"), "names.txt:1");
}

TEST_F(TaskData, ARowWithoutAPieceIsABadOne) {
  const Given classes{{"task", "classify"},
                      {"tokenizer", "characters"},
                      {"data", file("rows.csv", "text,label\nab,x\nba,y\n")},
                      {"validation", file("valid.csv", "text,label\na,x\n?,y\n")}};
  const Given names{{"task", "ner"},
                    {"tokenizer", "characters"},
                    {"data", file("rows.txt", "ab\tB-x\n\nb\tO\n")},
                    {"validation", file("valid.txt", "a\tO\n\n?\tO\n")}};
  for (auto& [given, place] : {std::pair{classes, "valid.csv:3"}, {names, "valid.txt:3"}}) {
    expect_error(ErrorCode::corrupt_data, {place, "no piece for any of its characters"},
                 [&, &all = given] { task(all); });
    Given skipping = given;
    skipping.emplace_back("skip_bad", "true");
    EXPECT_TRUE(task(skipping)->can_evaluate()) << place;
  }
}

TEST_F(TaskData, NothingStandsAroundThePromptsOfANewLanguageModel) {
  const std::string data = file("text.txt", "the cat sat on the mat and the cat sat again\n");
  for (const char* kind : {"characters", "bpe", "wordpiece", "unigram"}) {
    const auto learnt = task({{"task", "lm"},
                              {"data", data},
                              {"validation_part", "0"},
                              {"tokenizer", kind},
                              {"vocab", "300"},
                              {"block", "2"}});
    const Tokenizer& tokenizer = learnt->tokenizer();
    const std::string prompt = "the cat";
    EXPECT_EQ(tokenizer.encode(prompt).ids, tokenizer.encode(prompt, {.add_special = false}).ids)
        << kind;
    const Json& config = learnt->start().config;
    const auto end = tokenizer.id_of("<|endoftext|>");
    EXPECT_EQ(end.has_value(), kind == std::string("bpe"));
    EXPECT_EQ(config.at("eos_token_id"), end ? Json(*end) : Json()) << kind;
    EXPECT_EQ(config.at("bos_token_id"), config["eos_token_id"]) << kind;
  }
}

TEST_F(TaskData, WhatOlderCheckpointsStoreBesideTheWeightsIsNotTrained) {
  const std::filesystem::path golden = testing::golden_folder() / "gpt2_1x16";
  const Checkpoint weights = Checkpoint::open(golden);
  NamedTensors all{{"h.0.attn.bias", Tensor::full({1, 1, 24, 24}, 1.0F)}};
  for (const auto& [name, entry] : weights.entries()) all.emplace_back(name, weights.load(name));
  write_safetensors(folder_ / "model.safetensors", all);
  std::filesystem::copy(golden / "config.json", folder_ / "config.json");
  const auto learnt = task({{"task", "lm"},
                            {"model", folder_.path().string()},
                            {"data", file("text.txt", std::string(300, 'a'))},
                            {"tokenizer", "characters"},
                            {"block", "8"}});
  EXPECT_EQ(learnt->start().weights.size(), all.size() - 1);
  EXPECT_FALSE(learnt->start().weights.contains("h.0.attn.bias"));
}

TEST_F(TaskData, AConfigOfOtherKindsIsTold) {
  std::filesystem::copy(testing::golden_folder() / "gpt2_1x16/model.safetensors",
                        folder_ / "model.safetensors");
  Json config = read_json(testing::golden_folder() / "gpt2_1x16/config.json");
  const std::string data = file("text.txt", std::string(300, 'a'));
  for (const auto& [field, value] : {std::pair<const char*, Json>{"vocab_size", "23"},
                                     {"n_layer", Json::array()},
                                     {"model_type", 3}}) {
    Json changed = config;
    changed[field] = value;
    file("config.json", changed.dump());
    expect_error(ErrorCode::corrupt_data, {"config.json: ", field}, [&] {
      task({{"task", "lm"},
            {"model", folder_.path().string()},
            {"data", data},
            {"tokenizer", "characters"},
            {"block", "8"}});
    });
  }
}

TEST_F(TaskData, RowsWithoutATaggedWordTeachNothing) {
  const std::string data = file("rows.txt", "ab\tB-x\nb\tO\n\nb\tO\n");
  expect_error(ErrorCode::invalid_argument,
               {"rows.txt: needed at least 1 word with its tag in rows of at most 2 tokens"}, [&] {
                 task({{"task", "ner"}, {"data", data}, {"block", "2"}});
               });
}

}  // namespace
}  // namespace heed
