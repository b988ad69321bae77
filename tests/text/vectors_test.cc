// Published ids of the difficult strings of ../shared/data/tokenizers/vectors.
#include <gtest/gtest.h>

#include <sstream>

#include "heed/base/file.h"
#include "heed/text/text_stream.h"
#include "heed/text/tokenizer.h"
#include "heed/text/unicode.h"
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

struct Vector {
  std::string text;
  std::vector<int32_t> ids;
};

std::vector<Vector> read_vectors(const std::filesystem::path& folder, const std::string& name) {
  const auto texts = split(read_file(folder / (name + ".inp")), "\n__ggml_vocab_test__\n");
  const auto lines = split(read_file(folder / (name + ".out")), "\n");
  EXPECT_EQ(texts.size(), lines.size());  // both end with an empty one
  EXPECT_EQ(texts.size(), 47U);
  std::vector<Vector> vectors;
  for (size_t i = 0; i < std::min(texts.size(), lines.size()); ++i) {
    std::istringstream numbers(lines[i]);
    vectors.push_back({texts[i], {}});
    for (int32_t id = 0; numbers >> id;) vectors.back().ids.push_back(id);
  }
  return vectors;
}

TEST(Vectors, BertGivesThePublishedIds) {
  const auto data = testing::data_folder();
  HEED_NEED_DATA(data);
  const auto folder = data / "tokenizers";
  const auto tokenizer = Tokenizer::load(folder / "bert-base-uncased" / "vocab.txt");
  for (const Vector& vector : read_vectors(folder / "vectors", "bert-bge")) {
    EXPECT_EQ(tokenizer->encode(vector.text, {.add_special = false}).ids, vector.ids)
        << vector.text;
  }
}

TEST(Vectors, Gpt2GivesThePublishedIdsAndTheTextsBack) {
  const auto data = testing::data_folder();
  HEED_NEED_DATA(data);
  const auto folder = data / "tokenizers";
  const auto tokenizer = Tokenizer::load(folder / "gpt2");
  EXPECT_EQ(tokenizer->kind(), "BPE");
  EXPECT_EQ(tokenizer->vocab_size(), 50257);
  for (const Vector& vector : read_vectors(folder / "vectors", "gpt-2")) {
    const Encoding encoding = tokenizer->encode(vector.text);
    EXPECT_EQ(encoding.ids, vector.ids) << vector.text;
    EXPECT_EQ(tokenizer->decode(encoding.ids), vector.text);
    TextStream stream(tokenizer);
    std::string streamed;
    for (const int32_t id : encoding.ids) {
      const std::string part = stream.add(id);
      EXPECT_TRUE(is_valid_utf8(part)) << vector.text;
      streamed += part;
    }
    EXPECT_EQ(streamed + stream.finish(), vector.text);
  }
}

}  // namespace
}  // namespace heed
