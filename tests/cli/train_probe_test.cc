#include "cli/train_probe.h"

#include <gtest/gtest.h>

#include "heed/lens/look_picture.h"
#include "heed/models/registry.h"
#include "tests/letter_models.h"

namespace heed::cli {
namespace {

TEST(TrainProbe, LabelsAreWordsAndNoPiecesOfTheVocabulary) {
  const testing::LetterModel model("gpt2_3x8");
  const auto encoder = load_encoder(model.path());
  const Look look = watched_look(*encoder, *Tokenizer::load(model.path()), "ab cd");
  const Picture picture = look_picture(
      {look},
      {.layer = Pick::one(0), .head = Pick::one(0), .sinks = true, .marked = {}, .model = {}});
  const std::vector<std::string> words = {"ab", "cd"};
  EXPECT_EQ(picture.maps.front().row_labels, words);
  EXPECT_EQ(picture.maps.front().column_labels, words);
}

}  // namespace
}  // namespace heed::cli
