// WordPiece on the difficult strings of ../shared/data/tokenizers/vectors.
#include <gtest/gtest.h>

#include <sstream>

#include "heed/base/file.h"
#include "heed/text/tokenizer.h"
#include "tests/support.h"

namespace heed {
namespace {

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (size_t at = 0;;) {
    const size_t end = text.find(separator, at);
    parts.emplace_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + separator.size();
  }
}

TEST(Vectors, BertGivesThePublishedIds) {
  const auto data = testing::data_folder();
  HEED_NEED_DATA(data);
  const auto folder = data / "tokenizers";
  const auto tokenizer = Tokenizer::load(folder / "bert-base-uncased" / "vocab.txt");
  const auto texts =
      split(read_file(folder / "vectors" / "bert-bge.inp"), "\n__ggml_vocab_test__\n");
  const auto lines = split(read_file(folder / "vectors" / "bert-bge.out"), "\n");
  ASSERT_EQ(texts.size(), lines.size());  // both end with an empty one
  ASSERT_EQ(texts.size(), 47U);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::istringstream numbers(lines[i]);
    std::vector<int32_t> expected;
    for (int32_t id = 0; numbers >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer->encode(texts[i], {.add_special = false}).ids, expected) << texts[i];
  }
}

}  // namespace
}  // namespace heed
