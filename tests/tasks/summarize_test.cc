#include "heed/tasks/summarize.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::LetterModel;

/// `parts` paragraphs of six letters and spaces.
std::string paragraphs(int parts) {
  std::string text;
  for (int i = 0; i < parts; ++i) {
    const char letter = static_cast<char>('a' + i % 19);
    text += (i > 0 ? "\n\n" : "") + std::string(2, letter) + " " + std::string(2, letter) + " cd";
  }
  return text;
}

std::string part_of(const std::string& text, const SummaryPart& part) {
  return text.substr(static_cast<size_t>(part.bytes.start),
                     static_cast<size_t>(part.bytes.end - part.bytes.start));
}

SummarizeOptions few(const Summarizer& summarizer, int64_t tokens) {
  SummarizeOptions options{.generate = summarizer.defaults()};
  options.generate.beams = 1;
  options.generate.max_new_tokens = tokens;
  return options;
}

TEST(Summarizer, ATextThatFitsIsWhatTheModelMakesOfIt) {
  const LetterModel model("transformer_2x6");
  const Summarizer summarizer = Summarizer::load(model.path());
  EXPECT_EQ(summarizer.window(), 24);
  EXPECT_EQ(summarizer.defaults().beams, 4);
  for (const std::string text : {"ab c", "", "a\n\nb \n"}) {
    const SummarizeOptions options{.generate = summarizer.defaults()};
    const Summary summary = summarizer(text, options);
    const Generated plain = summarizer.translator()(text, summarizer.defaults());
    EXPECT_EQ(summary.written.ids, plain.ids);
    EXPECT_EQ(summary.written.text, plain.text);
    EXPECT_EQ(summary.written.score, plain.score);
    ASSERT_EQ(summary.parts.size(), 1u);
    EXPECT_EQ(part_of(text, summary.parts[0]), text);
  }
}

TEST(Summarizer, LongTextsAreCutAtParagraphsIntoPartsOfOneLength) {
  const LetterModel model("transformer_2x6");
  const Summarizer summarizer = Summarizer::load(model.path());
  const std::string text = paragraphs(4);  // of 8 tokens each: two fit a window, three do not
  for (const int64_t batch : {1, 8}) {
    SummarizeOptions options = few(summarizer, 5);
    options.batch = batch;
    const Summary summary = summarizer(text, options);
    ASSERT_EQ(summary.parts.size(), 2u);
    std::string joined;
    double score = 0;
    for (const SummaryPart& part : summary.parts) {
      const std::string some = part_of(text, part);
      EXPECT_EQ(std::ranges::count(some, '\n'), 2) << some;
      EXPECT_EQ(part.bytes, part.characters);
      const Generated alone = summarizer.translator()(some, options.generate);
      EXPECT_EQ(part.written.ids, alone.ids);
      joined += (joined.empty() || alone.text.empty() ? "" : " ") + alone.text;
      score += alone.score / 2;
    }
    EXPECT_EQ(summary.written.text, joined);
    EXPECT_NEAR(summary.written.score, score, 1e-9);
    EXPECT_EQ(summary.passes, 1);
  }
}

TEST(Summarizer, WindowsOverlapAndTakeThePrefixIn) {
  const LetterModel model("transformer_2x6");
  const Summarizer summarizer = Summarizer::load(model.path());
  const std::string text = paragraphs(6);
  SummarizeOptions options = few(summarizer, 3);
  options.prefix = "abc ";
  options.window = 20;  // 15 beside prefix and end
  for (const int64_t overlap : {0, 7}) {
    options.overlap = overlap;
    const Summary summary = summarizer(text, options);
    ASSERT_GT(summary.parts.size(), 3u);
    EXPECT_EQ(summary.parts[0].bytes.start, 0);
    EXPECT_EQ(summary.parts.back().bytes.end, std::ssize(text));
    for (size_t i = 0; i < summary.parts.size(); ++i) {
      const auto ids = summarizer.translator().encode("abc " + part_of(text, summary.parts[i]));
      EXPECT_EQ(summary.parts[i].written.prompt_ids, ids);
      EXPECT_LE(ids.size(), 20u);
      if (i == 0) continue;
      const int64_t shared = summary.parts[i - 1].bytes.end - summary.parts[i].bytes.start;
      EXPECT_LE(shared, overlap);
    }
  }
}

TEST(Summarizer, EachWindowIsAStep) {
  const LetterModel model("transformer_2x6");
  const Summarizer summarizer = Summarizer::load(model.path());
  SummarizeOptions options = few(summarizer, 3);
  options.batch = 4;
  std::vector<int64_t> steps;
  int64_t ended = 0;
  options.progress = [&](int64_t done, int64_t total) { steps.push_back(100 * done + total); };
  options.generate.on_end = [&](int64_t, const Generated&) { ++ended; };
  for (const int64_t beams : {1, 2}) {
    options.generate.beams = beams;
    steps.clear();
    const auto parts = std::ssize(summarizer(paragraphs(12), options).parts);
    ASSERT_GT(parts, 4);
    ASSERT_EQ(std::ssize(steps), parts);
    for (int64_t i = 0; i < parts; ++i)
      EXPECT_EQ(steps[static_cast<size_t>(i)], 100 * (i + 1) + parts);
    EXPECT_EQ(ended, beams * parts);
  }
}

TEST(Summarizer, SummariesAreCombinedUntilTheyAreOne) {
  const LetterModel model("transformer_2x6");
  const Summarizer summarizer = Summarizer::load(model.path());
  SummarizeOptions options = few(summarizer, 3);
  options.generate.rules.suppress_tokens = summarizer.translator().special().end;
  const std::string text = paragraphs(12);
  const Summary plain = summarizer(text, options);
  options.combine = true;
  const Summary summary = summarizer(text, options);
  EXPECT_EQ(summary.parts.size(), plain.parts.size());
  EXPECT_GT(summary.passes, 1);
  EXPECT_LT(summary.written.ids.size(), plain.written.ids.size());
  EXPECT_LE(summary.written.prompt_ids.size(), 24u) << "one part";
}

TEST(Summarizer, ConfigTellsOfTheTask) {
  const LetterModel model("transformer_2x6");
  Json config = read_json(model.path() / "config.json");
  config["prefix"] = "of all tasks ";
  config["n_positions"] = 7;  // counts where positions have no bound
  config["task_specific_params"] = {
      {"summarization", {{"prefix", "ab "}, {"num_beams", 2}, {"max_length", 9}}},
      {"translation_en_to_de", {{"prefix", "de "}, {"num_beams", 5}}}};
  std::ofstream(model.path() / "config.json") << config;
  const Summarizer summarizer = Summarizer::load(model.path());
  EXPECT_EQ(summarizer.prefix(), "ab ");
  EXPECT_EQ(summarizer.defaults().beams, 2);
  EXPECT_EQ(summarizer.defaults().max_length, 9);
  EXPECT_EQ(summarizer.window(), 24);
  std::ofstream(model.path() / "generation_config.json") << Json{{"length_penalty", 2.5}};
  const GenerateOptions both = Summarizer::load(model.path()).defaults();
  EXPECT_EQ(both.length_penalty, 2.5);
  EXPECT_EQ(both.beams, 2);
  const Translator other = Translator::load(model.path());
  EXPECT_EQ(other.prefix(), "of all tasks ");
  EXPECT_EQ(other.defaults().beams, 4);
  config["task_specific_params"] = {{"summarization", 3}};
  std::ofstream(model.path() / "config.json") << config;
  expect_error(ErrorCode::corrupt_data, {"task_specific_params"},
               [&] { Summarizer::load(model.path()); });
}

TEST(Summarizer, ModelsWithoutBoundHaveTheirTrainingsWindow) {
  const LetterModel model("t5_relu");
  EXPECT_EQ(Summarizer::load(model.path()).window(), 512);
  Json config = read_json(model.path() / "config.json");
  config["n_positions"] = 30;
  std::ofstream(model.path() / "config.json") << config;
  EXPECT_EQ(Summarizer::load(model.path()).window(), 30);
}

TEST(Summarizer, BadWindowsAreNamed) {
  const LetterModel model("transformer_2x6");
  const Summarizer summarizer = Summarizer::load(model.path());
  const auto refuses = [&](SummarizeOptions options,
                           std::initializer_list<std::string_view> parts) {
    options.generate = summarizer.defaults();
    expect_error(ErrorCode::invalid_argument, parts, [&] { summarizer(paragraphs(4), options); });
  };
  refuses({.window = 25}, {"24 positions", "25"});
  refuses({.prefix = "abc def", .window = 8}, {"window of 8 tokens", "the 8 of prefix"});
  refuses({.overlap = 12}, {"overlap", "from 0 to 11", "12"});
  refuses({.overlap = -1}, {"overlap", "-1"});
}

}  // namespace
}  // namespace heed
