// The tasks against transformers' pipelines (tools/make_encoder_goldens.py): labels, spans and
// words identical, scores within 1e-4.

#include <gtest/gtest.h>

#include <fstream>

#include "heed/tasks/answer.h"
#include "heed/tasks/classify.h"
#include "heed/tasks/fill.h"
#include "heed/tasks/names.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::golden_folder;
using testing::TemporaryFolder;

constexpr double kScoreTolerance = 1e-4;

const Json& goldens() {
  static const Json all = read_json(golden_folder() / "pipelines.json");
  return all;
}

std::vector<std::string> texts_of(const Json& one) { return one["texts"]; }

std::string model_of(const Json& one) {
  return (golden_folder() / one["model"].get<std::string>()).string();
}

void expect_score(float score, const Json& wanted, const std::string& what) {
  EXPECT_NEAR(score, wanted["score"].get<double>(), kScoreTolerance) << what;
}

TEST(Pipelines, ClassesAreTransformers) {
  for (const Json& one : goldens()["classify"]) {
    const TemporaryFolder copy;
    std::filesystem::copy(model_of(one), copy.path());
    Json config = read_json(copy / "config.json");
    config["problem_type"] = one["problem_type"];
    std::ofstream(copy / "config.json") << config;
    ClassifyOptions options;
    if (!one["function"].is_null()) {
      options.function = score_function_from_name(one["function"].get<std::string>());
    }
    const auto found = Classifier::load(copy.path().string())(texts_of(one), options);
    for (size_t i = 0; i < found.size(); ++i) {
      const Json& wanted = one["answers"][i];
      ASSERT_LE(wanted.size(), found[i].size());
      for (size_t n = 0; n < wanted.size(); ++n) {
        const std::string what = one["texts"][i].dump() + one["problem_type"].dump();
        EXPECT_EQ(found[i][n].label, wanted[n]["label"]) << what;
        expect_score(found[i][n].score, wanted[n], what);
      }
    }
  }
}

TEST(Pipelines, ClassesOfPairsAreTransformers) {
  for (const Json& one : goldens()["classify_pairs"]) {
    std::vector<std::string> texts, seconds;
    for (const Json& pair : one["pairs"]) {
      texts.push_back(pair["text"]);
      seconds.push_back(pair["text_pair"]);
    }
    const Classifier classifier = Classifier::load(model_of(one));
    const auto found = classifier.pairs(texts, seconds);
    for (size_t i = 0; i < found.size(); ++i) {
      const Json& wanted = one["answers"][i];
      ASSERT_EQ(found[i].size(), wanted.size());
      for (size_t n = 0; n < wanted.size(); ++n) {
        EXPECT_EQ(found[i][n].label, wanted[n]["label"]) << one["pairs"][i];
        expect_score(found[i][n].score, wanted[n], one["pairs"][i].dump());
      }
    }
    seconds.pop_back();
    expect_error(ErrorCode::invalid_argument, {"a second text for each of"},
                 [&] { classifier.pairs(texts, seconds); });
  }
}

TEST(Pipelines, NamesAreTransformers) {
  for (const Json& one : goldens()["tag"]) {
    const std::string how = one["aggregation"];
    NameOptions options{.aggregation = aggregation_from_name(how), .batch = 3};
    if (one.contains("stride")) {
      options.stride = one["stride"].get<int64_t>();
      options.max_tokens = one["max_tokens"].get<int64_t>();
    }
    const auto found = NameFinder::load(model_of(one))(texts_of(one), options);
    for (size_t i = 0; i < found.size(); ++i) {
      const Json& wanted = one["answers"][i];
      const std::string text = one["texts"][i];
      ASSERT_EQ(found[i].size(), wanted.size()) << how << " " << text << " " << one["model"];
      for (size_t n = 0; n < wanted.size(); ++n) {
        const FoundName& name = found[i][n];
        const std::string what = how + " " + name.word + " in " + text + " " + model_of(one);
        EXPECT_EQ(name.kind, wanted[n][how == "none" ? "entity" : "entity_group"]) << what;
        EXPECT_EQ(name.word, wanted[n]["word"]) << what;
        EXPECT_EQ(name.chars.start, wanted[n]["start"]) << what;
        EXPECT_EQ(name.chars.end, wanted[n]["end"]) << what;
        if (how == "none") {
          EXPECT_EQ(name.index, wanted[n]["index"]) << what;
        }
        expect_score(name.score, wanted[n], what);
      }
    }
  }
}

void expect_fillings(const std::vector<Filling>& found, const Json& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t n = 0; n < wanted.size(); ++n) {
    EXPECT_EQ(found[n].token, wanted[n]["token"]);
    EXPECT_EQ(found[n].token_text, wanted[n]["token_str"]);
    EXPECT_EQ(found[n].sequence, wanted[n]["sequence"]);
    expect_score(found[n].score, wanted[n], found[n].sequence);
  }
}

TEST(Pipelines, FillingsAreTransformers) {
  for (const Json& one : goldens()["fill"]) {
    FillOptions options{.top_k = one["top_k"].get<int64_t>(), .batch = 2};
    if (!one["targets"].is_null()) options.targets = one["targets"];
    const auto found = MaskFiller::load(model_of(one))(texts_of(one), options);
    for (size_t i = 0; i < found.size(); ++i) {
      const Json& wanted = one["answers"][i];
      if (found[i].size() == 1) {
        expect_fillings(found[i][0], wanted);
        continue;
      }
      ASSERT_EQ(found[i].size(), wanted.size());
      for (size_t m = 0; m < wanted.size(); ++m) expect_fillings(found[i][m], wanted[m]);
    }
  }
}

TEST(Pipelines, AnswersAreTransformers) {
  for (const Json& one : goldens()["answer"]) {
    const AnswerOptions options{.top_k = one["top_k"].get<int64_t>(),
                                .max_answer_tokens = one["max_answer_len"].get<int64_t>(),
                                .max_tokens = one["max_seq_len"].get<int64_t>(),
                                .stride = one["doc_stride"].get<int64_t>(),
                                .handle_impossible_answer = one["handle_impossible_answer"],
                                .align_to_words = one["align_to_words"],
                                .batch = 2};
    const std::string context = one["context"];
    const auto found =
        Answerer::load(model_of(one))(one["question"].get<std::string>(), context, options);
    Json wanted = one["answers"];  // the pipeline fills up with spans that cannot be
    std::erase_if(wanted.get_ref<Json::array_t&>(),
                  [](const Json& answer) { return answer["score"] == 0.0; });
    ASSERT_EQ(found.size(), wanted.size()) << one["question"] << one["model"];
    for (size_t n = 0; n < wanted.size(); ++n) {
      const std::string what = one.dump().substr(0, 400);
      EXPECT_EQ(found[n].text, wanted[n]["answer"]) << what;
      EXPECT_EQ(found[n].chars.start, wanted[n]["start"]) << what;
      EXPECT_EQ(found[n].chars.end, wanted[n]["end"]) << what;
      expect_score(found[n].score, wanted[n], what);
    }
  }
}

TEST(Pipelines, ATextIsTheSameAloneAndInABatch) {
  const std::string model = (golden_folder() / "encoder_roberta_tag").string();
  const NameFinder finder = NameFinder::load(model);
  const std::vector<std::string> texts = texts_of(goldens()["tag"][0]);
  const auto together = finder(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = finder(std::span(texts).subspan(i, 1))[0];
    ASSERT_EQ(alone.size(), together[i].size());
    for (size_t n = 0; n < alone.size(); ++n) EXPECT_EQ(alone[n].score, together[i][n].score);
  }
}

/// encoder_bert_tag with tags that mark both ends.
TEST(Pipelines, TagsOfBothEndsMakeOneName) {
  const TemporaryFolder copy;
  std::filesystem::copy(golden_folder() / "encoder_bert_tag", copy.path());
  Json config = read_json(copy / "config.json");
  config["id2label"] = {{"0", "S-a"}, {"1", "B-a"}, {"2", "I-a"},
                        {"3", "E-a"}, {"4", "B-b"}, {"5", "E-b"}};
  std::ofstream(copy / "config.json") << config;
  const NameFinder finder = NameFinder::load(copy.path().string());
  const std::vector<std::string> texts = texts_of(goldens()["tag"][0]);
  const auto pieces = finder(texts, {.aggregation = Aggregation::none});
  const auto names = finder(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    size_t next = 0;  // name
    for (size_t p = 0; p < pieces[i].size(); ++p) {
      const std::string& tag = pieces[i][p].kind;
      const std::string before = p > 0 ? pieces[i][p - 1].kind : "";
      const bool begins = p == 0 || tag[0] == 'B' || tag[0] == 'S' || before[0] == 'E' ||
                          before[0] == 'S' || before.substr(2) != tag.substr(2);
      if (!begins) continue;
      ASSERT_LT(next, names[i].size());
      EXPECT_EQ(names[i][next].kind, tag.substr(2));
      EXPECT_EQ(names[i][next++].chars.start, pieces[i][p].chars.start);
    }
    EXPECT_EQ(next, names[i].size());
  }
}

TEST(Pipelines, ATargetBeyondTheModelsTokensIsRefused) {
  const TemporaryFolder copy;
  std::filesystem::copy(golden_folder() / "encoder_bert_fill", copy.path());
  Json tokenizer = read_json(copy / "tokenizer.json");
  Json added = tokenizer["added_tokens"].back();
  added["id"] = tokenizer["model"]["vocab"].size();
  added["content"] = "later";
  tokenizer["added_tokens"].push_back(added);
  std::ofstream(copy / "tokenizer.json") << tokenizer;
  const std::vector<std::string> texts = {"bad [MASK]"};
  expect_error(ErrorCode::invalid_argument, {"'later'", "id 36", "36 tokens"}, [&] {
    MaskFiller::load(copy.path().string())(texts, {.targets = {"a", "later"}});
  });
}

TEST(Pipelines, WhatCannotBeIsRefused) {
  const auto path = [](const char* name) { return (golden_folder() / name).string(); };
  const MaskFiller filler = MaskFiller::load(path("encoder_bert_fill"));
  EXPECT_EQ(filler.mask(), "[MASK]");
  const std::vector<std::string> texts = {"bad [MASK]", "bad"};
  expect_error(ErrorCode::invalid_argument, {"[MASK]", "of 'bad'", "none"}, [&] { filler(texts); });
  expect_error(ErrorCode::invalid_argument, {"target", "no token"},
               [&] { filler(std::span(texts).first(1), {.targets = {" "}}); });
  const NameFinder finder = NameFinder::load(path("encoder_bert_tag"));
  expect_error(ErrorCode::invalid_argument, {"stride", "none"},
               [&] { finder(texts, {.aggregation = Aggregation::none, .stride = 1}); });
  expect_error(ErrorCode::invalid_argument, {"windows of 37", "35"},
               [&] { finder(texts, {.stride = 35}); });
  const Answerer answerer = Answerer::load(path("encoder_bert_answer"));
  expect_error(ErrorCode::invalid_argument, {"windows of 6"},
               [&] { answerer("a b c", "d", {.max_tokens = 6, .stride = 0}); });
  EXPECT_TRUE(answerer("a b c", "").empty());
  EXPECT_EQ(answerer("a", "", {.handle_impossible_answer = true}).size(), 1u);
  expect_error(ErrorCode::not_found, {"qa_outputs.weight"},
               [&] { Answerer::load(path("encoder_bert_tag")); });
}

TEST(Pipelines, ATextWithoutTokensIsNamed) {
  const TemporaryFolder folder;
  const auto load = [&](const char* name) {
    std::filesystem::copy(golden_folder() / name, folder / name);
    // adds no special tokens
    const Json tokenizer = testing::letter_tokenizer(0, {"<pad>", "<s>", "</s>"});
    std::ofstream(folder / name / "tokenizer.json") << tokenizer;
    return (folder / name).string();
  };
  const std::vector<std::string> texts = {"ab c", "", "d"};
  const auto refused = [](const char* operation, const auto& body) {
    expect_error(ErrorCode::invalid_argument, {operation, "found none of ''"}, body);
  };
  const Classifier classifier = Classifier::load(load("encoder_bert_classify"));
  refused("classify: ", [&] { classifier(texts); });
  refused("classify: ", [&] { classifier.pairs(texts, std::vector<std::string>{"a", "", "b"}); });
  const NameFinder finder = NameFinder::load(load("encoder_bert_tag"));
  refused("ner: ", [&] { finder(texts); });
  refused("ner: ", [&] { finder(texts, {.stride = 2}); });
  const Answerer answerer = Answerer::load(load("encoder_bert_answer"));
  refused("answer: ", [&] { answerer("", ""); });
}

}  // namespace
}  // namespace heed
