#include "heed/lens/look.h"

#include <gtest/gtest.h>

#include "heed/lens/look_picture.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/support.h"

// The numbers are those of Hugging Face transformers on all-MiniLM-L6-v2, to the digits shown.

namespace heed {
namespace {

using testing::model_folder;

constexpr const char* kRiver = "I sat by the river bank.";
constexpr const char* kMoney = "I deposited money in the bank.";
constexpr const char* kStream = "She walked along the bank of the stream.";
constexpr float kDigits = 5.1e-4f;  // three digits shown

struct MiniLm {
  std::shared_ptr<const Encoder> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  Look look(std::string_view text, const LookOptions& options = {}) const {
    return heed::look(*model, *tokenizer, text, options);
  }
};

MiniLm load(const std::filesystem::path& folder) {
  return {load_encoder(folder), Tokenizer::load(folder)};
}

float weight(const Look& look, std::optional<int64_t> layer, std::optional<int64_t> head,
             const char* from, const char* to) {
  return look.between_words(layer, head)
      .at({find_words(look.words, from).at(0), find_words(look.words, to).at(0)});
}

TEST(Look, BankLooksWhereTransformersSays) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm mini = load(folder);
  const Look river = mini.look(kRiver);
  EXPECT_NEAR(weight(river, 0, 2, "bank", "river"), 0.999, kDigits);
  EXPECT_NEAR(weight(river, 0, std::nullopt, "bank", "river"), 0.301, kDigits);
  EXPECT_NEAR(weight(river, 5, std::nullopt, "bank", "river"), 0.132, kDigits);
  const Look money = mini.look(kMoney);
  EXPECT_NEAR(weight(money, 5, 7, "bank", "deposited"), 0.564, kDigits);
  EXPECT_NEAR(weight(money, 5, std::nullopt, "bank", "deposited"), 0.196, kDigits);
}

TEST(Look, VectorsOfBankPart) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm mini = load(folder);
  const Look river = mini.look(kRiver);
  const auto compare = [&](const char* text, const std::vector<float>& expected) {
    const Look other = mini.look(text);
    const std::vector<float> found = cosines(river, find_words(river.words, "bank").at(0), other,
                                             find_words(other.words, "bank").at(0));
    ASSERT_EQ(found.size(), expected.size());
    for (size_t l = 0; l < found.size(); ++l) EXPECT_NEAR(found[l], expected[l], kDigits) << l;
  };
  compare(kMoney, {1.000f, .892f, .829f, .823f, .838f, .868f, .767f});
  compare(kStream, {.988f, .894f, .875f, .874f, .897f, .918f, .897f});
}

TEST(Look, FirstTokenIsTheSink) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const Look river = load(folder).look(kRiver);
  const auto bank = find_words(river.words, "bank").at(0);
  for (int64_t layer = 1; layer < 6; ++layer) {  // 43 to 79 % of bank's attention in layers 1 to 5
    const float share = river.between_words(layer, std::nullopt).at({bank, 0});
    EXPECT_GT(share, 0.42f);
    EXPECT_LT(share, 0.80f);
  }
  EXPECT_EQ(sink_names(river), "[CLS] and [SEP]");
  for (const Gaze& gaze : strongest_heads(river, bank, false, 72)) {
    for (const auto& [word, value] : gaze.words)
      EXPECT_FALSE(river.words[static_cast<size_t>(word)].special);
  }
  EXPECT_GT(strongest_heads(river, bank, true, 1).at(0).words.at(0).second, 0.99f);
}

TEST(Look, RowsSumToOneAlsoBetweenWords) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const Look look = load(folder).look("Internationalisation of naïve 数据 is unbelievably hard.");
  EXPECT_LT(look.words.size(), look.encoding.ids.size());
  EXPECT_EQ(look.states.size(0), 7);
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    const Tensor between = look.between_words(layer, 3);
    for (int64_t r = 0; r < between.size(0); ++r) {
      float sum = 0;
      for (int64_t c = 0; c < between.size(1); ++c) sum += between.at({r, c});
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST(Look, PairsAndPiecesAndLongTexts) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm mini = load(folder);
  const Look pair = mini.look("A river.", {.second = "A bank."});
  EXPECT_EQ(pair.words.back().text, 1);
  EXPECT_EQ(pair.words[5].name, "A");
  const Look pieces = mini.look("unbelievably", {.pieces = true});
  EXPECT_EQ(pieces.words.size(), pieces.encoding.ids.size());
  std::string text;
  for (int i = 0; i < 600; ++i) text += "word ";
  expect_error(ErrorCode::invalid_argument, {"at most 512 tokens", "found 602", "--truncate"},
               [&] { mini.look(text); });
  const Look cut = mini.look(text, {.truncate = true});
  EXPECT_EQ(cut.encoding.ids.size(), 512U);
  EXPECT_TRUE(cut.encoding.truncated);
}

TEST(Look, PicturesShowWhatWasPicked) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm mini = load(folder);
  const std::vector<Look> looks = {mini.look(kRiver), mini.look(kMoney)};
  const Picture one =
      look_picture(looks, {.layer = Pick::one(0), .head = Pick::one(2), .marked = {6, 6}});
  ASSERT_EQ(one.maps.size(), 2U);
  EXPECT_EQ(one.maps[0].row_labels.front(), "I");  // [CLS] and [SEP] are left out
  EXPECT_EQ(one.maps[0].values.shape(), (Shape{7, 7}));
  EXPECT_EQ(one.maps[0].marked_rows, (std::vector<int64_t>{5}));
  EXPECT_NEAR(one.maps[0].values.at({5, 4}), 0.999, kDigits);
  EXPECT_EQ(one.maps[0].highest, one.maps[1].highest);
  EXPECT_EQ(
      look_picture(looks, {.layer = Pick::all(), .head = Pick::all(), .sinks = true}).maps.size(),
      144U);
  expect_error(ErrorCode::invalid_argument, {"layer from 0 to 5", "found 6"},
               [&] { look_picture(looks, {.layer = Pick::one(6)}); });
}

}  // namespace
}  // namespace heed
