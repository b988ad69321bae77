#include "heed/tasks/embed.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "heed/base/cancel.h"
#include "heed/base/log.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::golden_folder;
using testing::TemporaryFolder;

/// bert_3x13 (width 39, 11 positions, 23 words) with a vocabulary of letters and what
/// sentence-transformers would write beside it.
class Model {
 public:
  Model() {
    std::filesystem::copy(golden_folder() / "bert_3x13", folder_.path(),
                          std::filesystem::copy_options::recursive);
    std::ofstream vocab(folder_ / "vocab.txt");
    vocab << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (char c = 'a'; c <= 'r'; ++c) vocab << c << '\n';
  }

  void write(const std::string& name, const Json& content) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name) << content;
  }
  void modules(std::initializer_list<std::pair<const char*, const char*>> list) {
    Json all = Json::array();
    for (const auto& [type, path] : list) {
      all.push_back(
          {{"type", std::string("sentence_transformers.models.") + type}, {"path", path}});
    }
    write("modules.json", all);
  }
  Embedder load(const EmbedderOptions& options = {}) const {
    return Embedder::load(folder_.path().string(), options);
  }
  std::filesystem::path path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

constexpr std::pair<const char*, const char*> kTransformer = {"Transformer", ""};
constexpr std::pair<const char*, const char*> kPooling = {"Pooling", "1_Pooling"};
constexpr std::pair<const char*, const char*> kDense = {"Dense", "2_Dense"};
constexpr std::pair<const char*, const char*> kNormalize = {"Normalize", "3_Normalize"};

/// The text's last hidden state [1, T, C] and its vector by hand.
Tensor by_hand(const Embedder& embedder, const std::string& text,
               const std::vector<Pooling>& ways) {
  const auto ids = embedder.tokenizer().encode(text).ids;
  const EncoderInput input = EncoderInput::from_rows({ids});
  return pool(embedder.encoder()(input), input.lengths, ways).select(0, 0);
}

std::vector<std::string> texts_of_many_lengths() {
  std::mt19937 random(7);
  std::vector<std::string> texts;
  for (int i = 0; i < 23; ++i) {
    std::string text;
    for (size_t words = random() % 15; words > 0; --words) {
      text += static_cast<char>('a' + random() % 18);
      text += ' ';
    }
    texts.push_back(text);
  }
  return texts;
}

TEST(Embedder, APlainCheckpointGivesTheMeanAndSaysSo) {
  const Model model;
  std::string said;
  set_log_sink([&](LogLevel, std::string_view message) { said += message; });
  const Embedder embed = model.load();
  set_log_sink({});
  EXPECT_NE(said.find("no modules.json"), std::string::npos) << said;
  EXPECT_NE(said.find("not normalised"), std::string::npos) << said;
  EXPECT_EQ(embed.width(), 39);
  EXPECT_EQ(embed.max_tokens(), 11);
  expect_same_bits(embed("a b c"), by_hand(embed, "a b c", {Pooling::mean}), "mean");
}

TEST(Embedder, WhoAsksForLengthOneIsNotToldOfAnother) {
  const Model model;
  std::string said;
  set_log_sink([&](LogLevel, std::string_view message) { said += message; });
  model.load({.pooling = {}, .normalize = true});
  set_log_sink({});
  EXPECT_NE(said.find("no modules.json"), std::string::npos) << said;
  EXPECT_EQ(said.find("not normalised"), std::string::npos) << said;
}

TEST(Embedder, ATextWithoutTokensIsNamed) {
  const testing::LetterModel model("gpt2_3x8");  // no special tokens
  const Embedder embed = Embedder::load(model.name());
  const std::vector<std::string> texts = {"ab", "", "abc d"};
  expect_error(ErrorCode::invalid_argument, {"embed: ", "found none of ''", "empty lines"},
               [&] { embed(texts); });
}

TEST(Embedder, PoolingAndLengthAreWhatTheFilesSay) {
  Model model;
  model.modules({kTransformer, kPooling, kNormalize});
  model.write("1_Pooling/config.json", {{"word_embedding_dimension", 39},
                                        {"pooling_mode_cls_token", true},
                                        {"pooling_mode_max_tokens", true},
                                        {"pooling_mode_mean_tokens", false}});
  model.write("sentence_bert_config.json", {{"max_seq_length", 5}, {"do_lower_case", true}});
  const Embedder embed = model.load();
  EXPECT_EQ(embed.width(), 78);
  EXPECT_EQ(embed.max_tokens(), 5);
  EXPECT_TRUE(embed.steps().normalize);
  const Tensor expected = by_hand(embed, "a b", {Pooling::cls, Pooling::max}).unsqueeze(0).clone();
  normalize_rows(expected);
  expect_same_bits(embed("a b"), expected.select(0, 0), "cls and max");
  const std::vector<std::string> texts = {"a b c d e f", "a b"};
  RunNotes notes;
  const Embeddings both = embed(texts, {.notes = &notes});
  std::string said;
  set_log_sink([&](LogLevel, std::string_view message) { said += message; });
  notes.finish("embed");
  set_log_sink({});
  EXPECT_NE(said.find("cut 1 of 2 texts, longer than the 5 tokens"), std::string::npos) << said;
  EXPECT_EQ(both.tokens, (std::vector<int64_t>{5, 4}));
  EXPECT_EQ(both.truncated, (std::vector<bool>{true, false}));
  const Embedder plain = model.load({.pooling = Pooling::mean, .normalize = false});
  expect_same_bits(plain("a b"), by_hand(plain, "a b", {Pooling::mean}), "the caller's word");
}

TEST(Embedder, NewerFilesNameThePooling) {
  Model model;
  model.modules({kTransformer, kPooling});
  model.write("1_Pooling/config.json", {{"pooling_mode", {"lasttoken", "weightedmean"}}});
  const Embedder embed = model.load();
  expect_same_bits(embed("c d"), by_hand(embed, "c d", {Pooling::lasttoken, Pooling::weightedmean}),
                   "a list");
  model.write("1_Pooling/config.json", {{"pooling_mode", "cls"}});
  EXPECT_EQ(model.load().steps().pooling, std::vector<Pooling>{Pooling::cls});
}

TEST(Embedder, DenseFollowsPooling) {
  Model model;
  model.modules({kTransformer, kPooling, kDense});
  model.write("1_Pooling/config.json", {{"pooling_mode_mean_tokens", true}});
  model.write("2_Dense/config.json", {{"in_features", 39},
                                      {"out_features", 2},
                                      {"bias", true},
                                      {"activation_function", "torch.nn.modules.activation.Tanh"}});
  const Tensor weight = Tensor::full({2, 39}, 0.125f);
  const Tensor bias = Tensor::from({0.5f, -0.5f}, {2});
  write_safetensors(model.path() / "2_Dense" / "model.safetensors",
                    {{"linear.weight", weight}, {"linear.bias", bias}});
  const Embedder embed = model.load();
  EXPECT_EQ(embed.width(), 2);
  double sum = 0;
  for (const float value : by_hand(embed, "a q", {Pooling::mean}).span<float>()) sum += value;
  const auto expected = [&](double b) { return static_cast<float>(std::tanh(sum / 8 + b)); };
  expect_close(embed("a q"), Tensor::from({expected(0.5), expected(-0.5)}, {2}), 1e-6, "dense");
}

/// Values are near 1, and pass some 100 roundings of 6e-8.
constexpr double kVectorTolerance = 1e-5;

TEST(Embedder, VectorsOfSentenceTransformersFolders) {
  const Json golden = read_json(golden_folder() / "sentence_transformers.json");
  const auto texts = golden["texts"].get<std::vector<std::string>>();
  for (const Json& one : golden["cases"]) {
    const TemporaryFolder folder;
    std::filesystem::copy(golden_folder() / golden["model"].get<std::string>(), folder.path());
    for (const auto& [name, content] : one["files"].items()) {
      std::filesystem::create_directories((folder / name).parent_path());
      std::ofstream(folder / name) << content;
    }
    for (const auto& [module, weights] : one["weights"].items()) {
      NamedTensors tensors;
      for (const auto& [name, rows] : weights.items()) {
        const bool matrix = rows[0].is_array();
        std::vector<float> values;
        for (const Json& row : matrix ? rows : Json::array({rows})) {
          for (const Json& value : row) values.push_back(value);
        }
        const auto count = std::ssize(rows);
        tensors.emplace_back(
            name, Tensor::from(values, matrix ? Shape{count, std::ssize(rows[0])} : Shape{count}));
      }
      write_safetensors(folder / (module + "/model.safetensors"), tensors);
    }
    EmbedOptions options{.batch = 3};
    const Json& how = one["encode"];
    if (how.contains("prompt")) options.prompt = how["prompt"].get<std::string>();
    const EmbedderOptions changes{.prompt_name = how.value("prompt_name", "")};
    const Embeddings found = Embedder::load(folder.path().string(), changes)(texts, options);
    const std::string what = one["name"];
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto wanted = one["vectors"][i].get<std::vector<float>>();
      expect_close(found.vectors.select(0, static_cast<int64_t>(i)),
                   Tensor::from(wanted, {std::ssize(wanted)}), kVectorTolerance,
                   what + ": " + texts[i]);
    }
  }
}

TEST(Embedder, APromptThatIsNotThereIsToldAlone) {
  const Model model;  // without modules.json, which would be told of
  std::string said;
  set_log_sink([&](LogLevel, std::string_view message) { said += message; });
  expect_error(ErrorCode::invalid_argument, {"no prompt 'q'", "it has none"},
               [&] { model.load({.prompt_name = "q"}); });
  set_log_sink({});
  EXPECT_EQ(said, "");
}

TEST(Embedder, PromptsAreTheFiles) {
  Model model;
  model.modules({kTransformer, kPooling});
  model.write("1_Pooling/config.json", {{"pooling_mode", "mean"}});
  const char* const file = "config_sentence_transformers.json";
  EXPECT_EQ(model.load().query_prompt() + model.load().document_prompt(), "");
  model.write(file, {{"prompts", {{"query", "a b "}, {"corpus", "c "}, {"passage", "d "}}}});
  const Embedder embedder = model.load();
  EXPECT_EQ(embedder.query_prompt(), "a b ");
  EXPECT_EQ(embedder.document_prompt(), "d ");
  const std::vector<std::string> text = {"e f"}, whole = {"a b e f"};
  const Embedder asking = model.load({.prompt_name = "query"});
  expect_same_bits(asking(text).vectors, embedder(whole).vectors, "query");
  expect_same_bits(asking(whole, {.prompt = ""}).vectors, embedder(whole).vectors, "none");
  expect_error(ErrorCode::invalid_argument, {"no prompt 'q'", "corpus, passage, query"},
               [&] { model.load({.prompt_name = "q"}); });
  expect_error(ErrorCode::invalid_argument, {"leaves no room", "reads 11"},
               [&] { embedder(text, {.prompt = "a a a a a a a a a a "}); });
  model.write(file, {{"prompts", {{"query", 1}}}});
  expect_error(ErrorCode::corrupt_data, {file, "an object of texts"}, [&] { model.load(); });
  model.write(file, {{"prompts", Json::object()}, {"default_prompt_name", "x"}});
  expect_error(ErrorCode::corrupt_data, {file, "default_prompt_name"}, [&] { model.load(); });
  model.write(file, Json::object());
  model.write("sentence_bert_config.json", {{"module_output_name", "sentence_embedding"}});
  expect_error(ErrorCode::unsupported, {"module_output_name is sentence_embedding"},
               [&] { model.load(); });
}

TEST(Embedder, OrderAndBatchChangeNoBit) {
  const Model model;
  const Embedder embed = model.load();
  const std::vector<std::string> texts = texts_of_many_lengths();
  std::vector<int64_t> seen;
  const Embeddings all = embed(texts, {.batch = 4, .progress = [&](int64_t done, int64_t total) {
                                         EXPECT_EQ(total, 23);
                                         seen.push_back(done);
                                       }});
  EXPECT_EQ(seen, (std::vector<int64_t>{4, 8, 12, 16, 20, 23}));
  const std::vector<std::string> reversed(texts.rbegin(), texts.rend());
  const Embeddings backwards = embed(reversed, {.batch = 7});
  for (size_t i = 0; i < texts.size(); ++i) {
    const Tensor vector = all.vectors.select(0, static_cast<int64_t>(i));
    expect_same_bits(vector, embed(texts[i]), texts[i]);
    expect_same_bits(
        vector, backwards.vectors.select(0, static_cast<int64_t>(texts.size() - 1 - i)), texts[i]);
  }
  EXPECT_EQ(embed(std::span<const std::string>()).vectors.shape(), (Shape{0, 39}));
}

TEST(Embedder, StopsWhenAsked) {
  const Model model;
  const Embedder embed = model.load();
  const std::vector<std::string> texts(20, "a");
  request_cancel();
  expect_error(ErrorCode::cancelled, {}, [&] { embed(texts); });
  clear_cancel();
}

TEST(Embedder, BadFilesAreNamed) {
  constexpr auto kUnsupported = ErrorCode::unsupported;
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  Model model;
  const auto load = [&] { model.load(); };
  model.write("modules.json", Json::object());
  expect_error(kCorrupt, {"modules.json", "list"}, load);
  model.modules({kTransformer, {"CNN", "1_CNN"}});
  expect_error(kUnsupported, {"module 1 is CNN"}, load);
  model.modules({kTransformer});
  expect_error(kUnsupported, {"no Pooling"}, load);
  model.modules({kTransformer, {"Pooling", "../elsewhere"}});
  expect_error(kCorrupt, {"path", "inside"}, load);
  model.modules({kTransformer, kPooling});
  expect_error(ErrorCode::not_found, {"1_Pooling"}, load);
  model.write("1_Pooling/config.json", {{"pooling_mode_mean_tokens", "yes"}});
  expect_error(kCorrupt, {"pooling_mode_mean_tokens", "true or false"}, load);
  model.write("1_Pooling/config.json", {{"pooling_mode", "median"}});
  expect_error(kUnsupported, {"median"}, load);
  model.write("1_Pooling/config.json", Json::object());
  model.write("sentence_bert_config.json", {{"max_seq_length", 0}});
  expect_error(kCorrupt, {"max_seq_length", "0"}, load);
  model.write("sentence_bert_config.json", Json::object());
  model.modules({kTransformer, kPooling, kDense});
  const Json dense = {{"in_features", 7}, {"out_features", 2}, {"bias", false}};
  model.write("2_Dense/config.json", dense);
  model.write("2_Dense/pytorch_model.bin", 0);
  expect_error(kUnsupported, {"pickle", "model.safetensors"}, load);
  write_safetensors(model.path() / "2_Dense" / "model.safetensors",
                    {{"linear.weight", Tensor::zeros({2, 7})}});
  expect_error(kCorrupt, {"7 features", "39"}, load);
}

}  // namespace
}  // namespace heed
