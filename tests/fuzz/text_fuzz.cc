// Any bytes as text: encoding never fails, offsets lie in the text and go forward, and what was
// decoded can be encoded again. The first byte picks the normaliser and the pre-tokeniser.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/error.h"
#include "heed/text/pipeline.h"
#include "heed/text/unicode.h"

namespace {

constexpr const char* kHead = R"json({"added_tokens": [
  {"id": 1, "content": "<m>", "single_word": false, "lstrip": true, "rstrip": true,
   "normalized": false, "special": true},
  {"id": 12, "content": "New", "single_word": true, "lstrip": false, "rstrip": true,
   "normalized": true, "special": false},
  {"id": 13, "content": " s", "single_word": false, "lstrip": true, "rstrip": false,
   "normalized": true, "special": false}],
  "post_processor": {"type": "BertProcessing", "cls": ["<m>", 1], "sep": ["<m>", 1]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20,
            "vocab": {"?": 0, "<m>": 1, "a": 2, "##a": 3, "e": 4, "##\u0301": 5, "\u00e9": 6,
                      "\u4f60": 7, "ab": 8, "##b": 9, ".": 10, "\ud55c": 11}},
)json";

constexpr std::array<const char*, 6> kNormalizers = {
    R"(null)",
    R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": true})",
    R"({"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": true,
        "strip_accents": false, "lowercase": true})",
    R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip", "strip_left": true,
        "strip_right": true}, {"type": "Prepend", "prepend": "a"}]})",
    R"({"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "bb"}]})",
    R"({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFD"},
        {"type": "Lowercase"}]})",
};

constexpr std::array<const char*, 5> kPreTokenizers = {
    R"(null)",
    R"({"type": "BertPreTokenizer"})",
    R"({"type": "Whitespace"})",
    R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
        {"type": "Punctuation", "behavior": "MergedWithNext"}]})",
    R"({"type": "Punctuation", "behavior": "Contiguous"})",
};

std::vector<std::shared_ptr<const heed::Tokenizer>> make_all() {
  std::vector<std::shared_ptr<const heed::Tokenizer>> made;
  for (const char* normalizer : kNormalizers) {
    for (const char* pre_tokenizer : kPreTokenizers) {
      made.push_back(heed::tokenizer_from_json(std::string(kHead) +
                                                   "\"normalizer\": " + normalizer +
                                                   ", \"pre_tokenizer\": " + pre_tokenizer + "}",
                                               "fuzz"));
    }
  }
  return made;
}

void check(const heed::Encoding& encoding, std::string_view text) {
  const auto given = heed::decode_utf8(text);
  const size_t count = encoding.ids.size();
  HEED_ASSERT(encoding.offsets.size() == count && encoding.byte_offsets.size() == count &&
              encoding.words.size() == count && encoding.tokens.size() == count);
  for (size_t i = 0; i < count; ++i) {
    if (encoding.special[i]) continue;
    const heed::Span chars = encoding.offsets[i];
    const heed::Span bytes = encoding.byte_offsets[i];
    HEED_ASSERT(0 <= chars.start && chars.start < chars.end);
    HEED_ASSERT(chars.end <= static_cast<int64_t>(given.chars.size()));
    HEED_ASSERT(bytes.start == given.byte_starts[static_cast<size_t>(chars.start)]);
    HEED_ASSERT(bytes.end == given.byte_starts[static_cast<size_t>(chars.end)]);
    if (i == 0 || encoding.special[i - 1]) continue;
    HEED_ASSERT(encoding.words[i] == encoding.words[i - 1] ||
                encoding.words[i] == encoding.words[i - 1] + 1);
    if (encoding.words[i] == encoding.words[i - 1]) {
      HEED_ASSERT(chars.start >= encoding.offsets[i - 1].start);
      HEED_ASSERT(chars.end >= encoding.offsets[i - 1].end);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizers = make_all();
  if (size == 0) return 0;
  const auto& tokenizer = *tokenizers[data[0] % tokenizers.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const heed::Encoding whole = tokenizer.encode(text);
  check(whole, text);
  const heed::Encoding cut = tokenizer.encode(text, {.max_tokens = 6});
  HEED_ASSERT(cut.ids.size() <= 6 && cut.truncated == (whole.ids.size() > 6));
  check(cut, text);
  const auto windows = tokenizer.encode_windows(text, {.max_tokens = 6, .stride = 1});
  HEED_ASSERT(windows.size() == (whole.ids.size() <= 6 ? 1 : (whole.ids.size() - 1) / 3));
  for (const heed::Encoding& window : windows) check(window, text);
  HEED_ASSERT(windows[0].ids.size() == cut.ids.size());
  tokenizer.encode(tokenizer.decode(whole.ids, false));
  tokenizer.join(whole.tokens);
  return 0;
}
