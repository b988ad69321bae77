// Any bytes as a SentencePiece .model, in a class of tokenizer that the first byte picks: either a
// tokenizer that encodes and decodes, with offsets that go forward in the text, or an Error.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "heed/base/error.h"
#include "heed/text/sentence_piece.h"
#include "heed/text/unicode.h"

namespace {

constexpr std::array<const char*, 10> kClasses = {
    "",
    R"({"tokenizer_class": "T5Tokenizer", "extra_ids": 3})",
    R"({"tokenizer_class": "XLMRobertaTokenizer"})",
    R"({"tokenizer_class": "CamembertTokenizer"})",
    R"({"tokenizer_class": "MBartTokenizer"})",
    R"({"tokenizer_class": "MBart50Tokenizer"})",
    R"({"tokenizer_class": "PegasusTokenizer"})",
    R"({"tokenizer_class": "AlbertTokenizer"})",
    R"({"tokenizer_class": "LlamaTokenizer"})",
    R"({"tokenizer_class": "MarianTokenizer"})",
};

void check(const heed::Tokenizer& tokenizer, std::string_view text) {
  const heed::Encoding encoding = tokenizer.encode(text);
  const auto size = static_cast<int64_t>(heed::decode_utf8(text).chars.size());
  heed::Span before;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    HEED_ASSERT(encoding.ids[i] >= 0 && encoding.ids[i] < tokenizer.vocab_size());
    if (encoding.special[i]) continue;
    const heed::Span at = encoding.offsets[i];
    HEED_ASSERT(before.start <= at.start && at.start <= at.end && at.end <= size);
    before = at;
  }
  tokenizer.decode(encoding.ids);
  tokenizer.decode(encoding.ids, false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string model(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string config = kClasses[data[0] % kClasses.size()];
  try {
    const auto tokenizer = heed::tokenizer_from_sentence_piece(
        {.model = model,
         .settings = {.config = config},
         .vocab = R"({"</s>": 0, "<unk>": 1, "\u2581a": 2, ">>de<<": 3, "<pad>": 4})"},
        "fuzz");
    check(*tokenizer, "  A\u00e9 <s>x\u4f60 New York\u200b \ufb01 \xff.  ");
    check(*tokenizer, std::string_view(model).substr(0, 200));
  } catch (const heed::Error&) {
    // refused, which is an answer
  }
  return 0;
}
