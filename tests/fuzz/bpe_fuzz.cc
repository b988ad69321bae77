// Any bytes as text for byte-level BPE: what is encoded comes back when decoded, at once and token
// by token, and offsets go forward through the text. Any text trains a tokenizer that takes it. The
// first byte picks the pre-tokeniser.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/error.h"
#include "heed/text/pipeline.h"
#include "heed/text/text_stream.h"
#include "heed/text/train_tokenizer.h"
#include "heed/text/unicode.h"

namespace {

using heed::Tokenizer;

constexpr std::array<const char*, 5> kPreTokenizers = {
    R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})",
    R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})",
    R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]})",
    R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "invert": false,
        "behavior": "Isolated", "pattern": {"Regex":
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})",
    R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "invert": true,
        "behavior": "MergedWithNext", "pattern": {"Regex": "\\w*"}},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})",
};

// Learned from a text of our own, with the pre-tokeniser replaced.
std::vector<std::shared_ptr<const Tokenizer>> make_all() {
  heed::TokenizerTrainer trainer({.vocab = 400});
  trainer.add("the cat, the cats; that's 1234 hats  \u4f60\u597d \u00e9\u00e8 the end\n\n");
  trainer.add("the cats' hats \U0001F600\U0001F600 aaaaaaaaaaaaaaaa");
  const std::string json = trainer.train();
  const size_t begin = json.find("\"pre_tokenizer\"");
  const size_t end = json.find("\"post_processor\"");
  std::vector<std::shared_ptr<const Tokenizer>> made;
  for (const char* pre_tokenizer : kPreTokenizers) {
    made.push_back(heed::tokenizer_from_json(
        json.substr(0, begin) + "\"pre_tokenizer\": " + pre_tokenizer + ", " + json.substr(end),
        "fuzz"));
  }
  return made;
}

void check(const std::shared_ptr<const Tokenizer>& tokenizer, std::string_view text) {
  const auto given = heed::decode_utf8(text);
  const heed::Encoding encoding = tokenizer->encode(text);
  heed::Span before;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const heed::Span chars = encoding.offsets[i];
    const heed::Span bytes = encoding.byte_offsets[i];
    HEED_ASSERT(before.start <= chars.start && before.end <= chars.end && chars.start < chars.end);
    HEED_ASSERT(bytes.start == given.byte_starts[static_cast<size_t>(chars.start)]);
    HEED_ASSERT(bytes.end == given.byte_starts[static_cast<size_t>(chars.end)]);
    before = chars;
  }
  HEED_ASSERT(before.end == static_cast<int64_t>(given.chars.size()));
  const std::string whole = heed::to_utf8(given.chars);
  HEED_ASSERT(tokenizer->decode(encoding.ids, false) == whole);
  heed::TextStream stream(tokenizer, false);
  std::string streamed;
  for (const int32_t id : encoding.ids) {
    streamed += stream.add(id);
    HEED_ASSERT(heed::is_valid_utf8(streamed));
  }
  HEED_ASSERT(streamed + stream.finish() == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizers = make_all();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  check(tokenizers[data[0] % tokenizers.size()], text);
  if (text.empty() || data[0] % 8 != 0) return 0;
  heed::TokenizerTrainer trainer({.vocab = 300, .min_frequency = 1 + data[0] / 64});
  trainer.add(text);
  check(heed::tokenizer_from_json(trainer.train(), "trained"), text);
  return 0;
}
