#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "heed/base/file.h"
#include "heed/generate/generation_config.h"
#include "heed/generate/generator.h"
#include "heed/models/config.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/letter_models.h"
#include "tests/models/changed_config.h"

// What transformers writes with encoder-decoders (tools/make_seq2seq_goldens.py).

namespace heed {
namespace {

using testing::Golden;
using testing::golden_folder;
using testing::LetterModel;

using Ids = std::vector<int32_t>;

const std::vector<std::string> kModels = {"t5_relu", "t5_gated", "mt5",          "bart",
                                          "mbart",   "marian",   "marian_apart", "pegasus"};

GenerateOptions options_of(const Json& one) {
  return read_generation_config(ConfigReader(one["options"], "the golden"));
}

TEST(Translator, WritesTheTextsThatTransformersWrites) {
  int beams = 0;
  for (const std::string& name : kModels) {
    const Translator translator = Translator::load(golden_folder() / name);
    const Golden golden(name + "/expected.safetensors");
    for (const Json& one : golden.metadata("generated")) {
      const auto written = translator.batch({one["source"].get<Ids>()}, options_of(one));
      const auto expected = one["ids"].get<std::vector<Ids>>();
      ASSERT_EQ(written.size(), expected.size()) << name << " " << one;
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(written[i].ids, expected[i]) << name << " " << one;
        EXPECT_EQ(written[i].prompt_ids, one["source"].get<Ids>());
        if (one["scores"].is_null()) continue;
        EXPECT_NEAR(written[i].score, one["scores"][i].get<double>(), 1e-4) << name << " " << one;
        ++beams;
      }
    }
  }
  EXPECT_GT(beams, 30);
}

TEST(Translator, ATargetPrefixIsTransformersDecoderInputIds) {
  int drawn_up = 0;
  const Json golden = read_json(golden_folder() / "target_prefix.json");
  for (const auto& [name, cases] : golden["models"].items()) {
    const Translator translator = Translator::load(golden_folder() / name);
    for (const Json& one : cases) {
      GenerateOptions options = options_of(one);
      options.target_prefix = one["prefix"].get<Ids>();
      const auto written = translator.batch({one["source"].get<Ids>()}, options);
      const auto expected = one["ids"].get<std::vector<Ids>>();
      ASSERT_EQ(written.size(), expected.size()) << name << " " << one;
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(written[i].target_ids(), expected[i]) << name << " " << one;
        if (one["scores"].is_null()) continue;
        EXPECT_NEAR(written[i].score, one["scores"][i].get<double>(), 1e-4) << name << " " << one;
      }
      ++drawn_up;
    }
  }
  EXPECT_GT(drawn_up, 30);
}

TEST(Translator, WhatItWroteMayBeItsTargetPrefix) {
  const std::vector<Ids> sources = {{3, 9, 4, 2}, {7, 2}, {5, 5, 8, 12, 16, 3, 2}};
  for (const std::string& name : kModels) {
    const Translator translator = Translator::load(golden_folder() / name);
    GenerateOptions options{.max_new_tokens = 12, .rules = {.forced_bos_token_id = 6}};
    const std::vector<Generated> whole = translator.batch(sources, options);
    for (const Generated& one : whole) {
      EXPECT_TRUE(one.prefix_ids.empty());
      for (size_t tokens = 1; tokens + 2 < one.ids.size(); tokens += 3) {
        const auto begin = one.ids.begin() + 1;  // behind the forced one
        options.target_prefix.assign(begin, begin + static_cast<int64_t>(tokens));
        options.max_new_tokens = static_cast<int64_t>(11 - tokens);
        for (const Generated& again : translator.batch(sources, options)) {
          if (again.prompt_ids != one.prompt_ids) continue;
          EXPECT_EQ(again.target_ids(), one.ids) << name << " " << tokens;
          EXPECT_EQ(again.prefix_ids.size(), tokens + 1);
        }
      }
      options = {.max_new_tokens = 12, .rules = {.forced_bos_token_id = 6}};
    }
  }
  const LetterModel decoder("gpt2_2x5");
  expect_error(ErrorCode::invalid_argument, {"target prefix", "encoder-decoder"},
               [&] { TextGenerator::load(decoder.path())(Ids{1}, {.target_prefix = {2}}); });
}

TEST(Translator, ASourceOfABatchIsWrittenOfAsAlone) {
  const std::vector<Ids> sources = {{3, 9, 4, 2}, {7, 2}, {5, 5, 8, 12, 16, 3, 2}};
  for (const std::string& name : kModels) {
    const Translator translator = Translator::load(golden_folder() / name);
    for (GenerateOptions options :
         {GenerateOptions{.max_new_tokens = 9, .beams = 3},
          GenerateOptions{// whose searches end at different lengths
                          .max_new_tokens = 40,
                          .beams = 4,
                          .early_stopping = EarlyStopping::on},
          GenerateOptions{.max_new_tokens = 9, .beams = 2, .target_prefix = {7, 4}},
          GenerateOptions{
              .max_new_tokens = 9, .sampling = {.temperature = 1.2}, .seed = 4, .beams = 3},
          GenerateOptions{.max_new_tokens = 9, .rules = {.encoder_repetition_penalty = 2}}}) {
      std::vector<int64_t> ended;
      options.on_end = [&](int64_t text, const Generated&) { ended.push_back(text); };
      const std::vector<Generated> all = translator.batch(sources, options);
      std::ranges::sort(ended);
      EXPECT_EQ(ended, (std::vector<int64_t>{0, 1, 2})) << name;
      options.on_end = {};
      for (size_t i = 0; i < sources.size(); ++i) {
        const Generated alone = translator(sources[i], options);
        EXPECT_EQ(all[i].ids, alone.ids) << name << " " << i;
        EXPECT_EQ(all[i].score, alone.score) << name << " " << i;
        EXPECT_EQ(all[i].prompt_ids, sources[i]);
      }
    }
  }
}

TEST(Translator, DefaultsAreTheCheckpointsOverTheCallers) {
  const testing::TemporaryFolder folder;
  for (const char* file : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(golden_folder() / "bart" / file, folder.path());
  }
  Json config = read_json(folder / "config.json");
  config["no_repeat_ngram_size"] = 3;  // as files of before generation_config.json say
  config["num_beams"] = 2;
  config["decoder_start_token_id"] = 2;
  std::ofstream(folder / "config.json") << config;
  const GenerateOptions old = Translator::load(folder.path()).defaults();
  EXPECT_EQ(old.rules.no_repeat_ngram_size, 3);
  EXPECT_EQ(old.beams, 2);
  std::ofstream(folder / "generation_config.json") << Json{{"max_new_tokens", 7}};
  const GenerateOptions own = Translator::load(folder.path()).defaults();
  EXPECT_EQ(own.rules.no_repeat_ngram_size, 0);
  EXPECT_EQ(own.beams, 4);
  EXPECT_EQ(own.max_new_tokens, 7);
}

TEST(Translator, AMariansTargetsAreCutByTargetSpm) {
  const testing::ChangedGolden folder("marian", [](Json&) {});
  const auto models = golden_folder() / "sentencepiece";
  std::filesystem::copy(models / "unigram.model", folder.path() / "source.spm");  // has <ent>
  std::filesystem::copy(models / "unigram_unused.model", folder.path() / "target.spm");
  write_file(folder.path() / "vocab.json",
             R"({"</s>": 0, "<unk>": 1, "<ent>": 2, "\u2581": 3, "<pad>": 4})");
  const Translator translator = Translator::load(folder.path());
  EXPECT_EQ(translator.encode("<ent>"), (Ids{3, 2, 0}));
  const Ids target = translator.encode_target("<ent>");
  EXPECT_EQ(target, Tokenizer::load(folder.path() / "target.spm")->encode("<ent>").ids);
  EXPECT_EQ(std::ranges::count(target, 2), 0);
  EXPECT_EQ(target.back(), 0);
}

/// An mBART's translator whose tokenizer puts that around a text.
Translator with_tokens(const std::vector<std::string>& around, int32_t decoder_start) {
  const testing::ChangedGolden folder("mbart", [](Json&) {});
  write_file(folder.path() / "tokenizer.json", testing::language_tokenizer(around).dump());
  write_file(folder.path() / "generation_config.json",
             fmt::format(R"({{"decoder_start_token_id": {}, "eos_token_id": 2}})", decoder_start));
  return Translator::load(folder.path());
}

TEST(Translator, LanguagesStandWhereTheModelReadsAndBeginsThem) {
  const Translator mbart = with_tokens({"A", "</s>", "en_XX"}, 3);
  EXPECT_EQ(mbart.encode("ab"), (Ids{6, 7, 2, 3}));
  const Translator german = mbart.with_languages("", "de_DE"),
                   from_german = mbart.with_languages("de_DE", "");
  EXPECT_EQ(german.encode("ab"), mbart.encode("ab"));
  EXPECT_EQ(german.encode_target("ab"), (Ids{6, 7, 2, 4}));
  EXPECT_EQ(from_german.encode("ab"), (Ids{6, 7, 2, 4}));
  EXPECT_EQ(from_german.encoding("ab").tokens.back(), "de_DE");
  const GenerateOptions how{.max_new_tokens = 6};
  EXPECT_EQ(german("ab", how).ids, with_tokens({"A", "</s>", "en_XX"}, 4)("ab", how).ids);
  EXPECT_NE(german("ab", how).logprobs, mbart("ab", how).logprobs);

  const Translator mbart50 =
      with_tokens({"en_XX", "A", "</s>"}, 2).with_languages("de_DE", "en_XX");
  EXPECT_EQ(mbart50.encode("ab"), (Ids{4, 6, 7, 2}));
  EXPECT_EQ(mbart50.special().decoder_start, 2);
  EXPECT_EQ(mbart50("ab", mbart50.defaults()).ids.front(), 3);
}

TEST(Translator, LanguagesThatAreNotThereAreNamed) {
  expect_error(ErrorCode::invalid_argument, {"en_XX, de_DE", "'fr_XX'"}, [] {
    with_tokens({"A", "</s>", "en_XX"}, 3).with_languages("fr_XX", "");
  });
  expect_error(ErrorCode::invalid_argument, {"'</s>'"}, [] {
    with_tokens({"A", "</s>", "en_XX"}, 3).with_languages("", "</s>");
  });
  expect_error(ErrorCode::unsupported, {"puts a language"}, [] {
    with_tokens({"A", "</s>"}, 3).with_languages("de_DE", "");
  });
}

TEST(Translator, TextsAreRefusedWithoutATokenizer) {
  const Translator translator = Translator::load(golden_folder() / "bart");
  EXPECT_FALSE(translator.has_tokenizer());
  expect_error(ErrorCode::unsupported, {"tokenizer"}, [&] { translator("a text", {}); });
  expect_error(ErrorCode::invalid_argument, {"source 1 of 1", "none"},
               [&] { translator(Ids{}, {}); });
}

}  // namespace
}  // namespace heed
